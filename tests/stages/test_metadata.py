"""The metadata file: numbers by image, and each fault told with its line."""

import numpy as np
import pytest

from audit.config.model import Config
from audit.errors import AuditError
from audit.stages.metadata import (
    OtherInputs,
    check_labels,
    labels_of,
    of_image,
    read_labels,
    read_metadata,
)


def write(folder, text):
    path = folder / "meta.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_by_image(tmp_path):
    path = write(tmp_path, "\ufefffile_name,age,site,height\na.jpg,41,x,1.5\nb/c.jpg,-2e1,y,0\n")
    found = read_metadata(path, ["height", "age"])
    assert found == {"a.jpg": {"height": 1.5, "age": 41}, "b/c.jpg": {"height": 0, "age": -20}}
    assert of_image(found, "a.jpg")["age"] == 41


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,age\na.jpg,1\n", "no column 'file_name'"),
        ("file_name,agee\na.jpg,1\n", "agee"),
        ("", "no column"),
        ("file_name,age\na.jpg,1\na.jpg,2\n", "meta.csv:3"),
        ("file_name,age\na.jpg,old\n", "meta.csv:2: age"),
        ("file_name,age\na.jpg,nan\n", "finite"),
        ("file_name,age\na.jpg\n", "meta.csv:2: age"),
        ('file_name,age\n"a.jpg,1\n', "cannot be read"),
    ],
)
def test_faults(tmp_path, text, told):
    with pytest.raises(AuditError, match="meta.csv") as caught:
        read_metadata(write(tmp_path, text), ["age"])
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(AuditError, match="cannot be read"):
        read_metadata(tmp_path / "no.csv", ["age"])


def test_an_image_without_a_row():
    with pytest.raises(AuditError, match="a.jpeg"):
        of_image({"a.jpg": {}}, "a.jpeg")


def config(tmp_path, **inputs):
    values = {
        "audit": {"name": "x"},
        "model": {"path": "m.keras", "preprocess": "none", "inputs": inputs},
        "dataset": {
            "format": "coco", "annotations": "-", "images": "-",
            "metadata": str(write(tmp_path, "file_name,age\na.jpg,41\nb.jpg,7\n")),
        },
    }  # fmt: skip
    return Config.model_validate(values)


BLANK = {"age": np.zeros((4, 1), np.float32), "site": np.zeros((4, 3), np.int32)}


def test_inputs_of_a_batch(tmp_path):
    """A column for one input, constants for the other; a batch that is not full."""
    given = config(tmp_path, constants={"site": [1.0, 2.0, 3.0]}, columns={"age": "age"})
    found = OtherInputs(given, BLANK).batch(["b.jpg", "a.jpg"])
    np.testing.assert_array_equal(found["age"], [[7], [41], [0], [0]])
    np.testing.assert_array_equal(found["site"], [[1, 2, 3]] * 4)
    assert {n: a.dtype for n, a in found.items()} == {n: a.dtype for n, a in BLANK.items()}
    assert not BLANK["age"].any()


def test_a_number_fills_an_input_of_any_shape(tmp_path):
    given = config(tmp_path, constants={"site": 2.0, "age": 0.5})
    found = OtherInputs(given, BLANK).batch([])
    assert (found["site"] == 2).all() and (found["age"] == 0.5).all()


def test_a_constant_that_does_not_fit(tmp_path):
    given = config(tmp_path, constants={"site": [1.0, 2.0], "age": 1.0})
    with pytest.raises(AuditError, match="a number, or a list of 3"):
        OtherInputs(given, BLANK)


def test_an_image_that_is_not_in_the_file(tmp_path):
    given = config(tmp_path, constants={"site": 0.0}, columns={"age": "age"})
    with pytest.raises(AuditError, match="no row for an image"):
        OtherInputs(given, BLANK).batch(["c.jpg"])


# --- labels, by which images are told apart -------------------------------------------------------

LABELLED = "file_name,site,video\na.jpg, x ,1\nb.jpg,,2\nc.jpg,y\n"


def test_labels_are_text_and_may_be_empty(tmp_path):
    found = read_labels(write(tmp_path, LABELLED), ["site", "video"])
    assert found["a.jpg"] == {"site": "x", "video": "1"}
    assert found["b.jpg"]["site"] == found["c.jpg"]["video"] == ""


def labelled(tmp_path, group=None, columns=(), text=LABELLED):
    values = config(tmp_path).model_dump()
    values["dataset"]["metadata"] = str(write(tmp_path, text)) if text else None
    values["flags"]["group"], values["strata"]["columns"] = group, list(columns)
    return Config.model_validate(values)


def test_labels_of_images(tmp_path):
    chosen = labelled(tmp_path, "video", ["site", "video"])
    told = labels_of(chosen, ["b.jpg", "new.jpg", "a.jpg"])
    assert told == {"site": ["", "", "x"], "video": ["2", "", "1"]}
    assert labels_of(labelled(tmp_path), ["b.jpg"]) == {}


def test_a_file_of_other_images_is_refused(tmp_path):
    with pytest.raises(AuditError, match="no row for any image") as caught:
        labels_of(labelled(tmp_path, "video"), ["images/a.jpg"])
    assert "a.jpg" in str(caught.value)


def test_labels_that_cannot_be_had_are_told_before_the_run(tmp_path):
    with pytest.raises(AuditError, match="sit"):
        check_labels(labelled(tmp_path, columns=["sit"]), "audit.yaml")
    with pytest.raises(AuditError, match=r"audit.yaml: dataset.metadata.*flags.group"):
        check_labels(labelled(tmp_path, "video", text=None), "audit.yaml")
    with pytest.raises(AuditError, match=r"strata.columns"):
        check_labels(labelled(tmp_path, columns=["site"], text=None), "audit.yaml")
    check_labels(labelled(tmp_path, text=None), "audit.yaml")
