"""``explain-image``: one picture, from a model or from an audit's config; bad input in one line."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from audit.cli import main
from tests.models.networks import SIZE, gap, keras


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, the names of its four outputs, and pictures."""
    folder = tmp_path_factory.mktemp("explain_image")
    keras.utils.set_random_seed(0)
    gap(4, "softmax").model.save(folder / "m.keras")
    (folder / "labels.json").write_text(json.dumps(["cat", "dog", "fox", "owl"]))
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / "a.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return folder


def run(folder, *more, model="m.keras", image="a.png", output="out.png"):
    asked = ["explain-image", str(folder / model), str(folder / image), "--output"]
    return main([*asked, str(folder / output), *more])


def given(folder):
    return ["--preprocess", "scale_0_1", "--labels", str(folder / "labels.json")]


def test_a_sheet_of_the_top_classes(folder, capsys):
    assert run(folder, *given(folder), "--top-k", "2") == 0
    assert capsys.readouterr().out.strip().endswith("out.png")
    with Image.open(folder / "out.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 400


def test_more_classes_make_a_larger_sheet(folder):
    sizes = []
    for classes in (["cat"], ["cat", "2", "owl"]):
        assert run(folder, *given(folder), "--classes", *classes, "--methods", "gradcam") == 0
        with Image.open(folder / "out.png") as sheet:
            sizes.append(sheet.width * sheet.height)
    assert sizes[0] < sizes[1]


def test_the_same_twice(folder):
    for name in ("one.png", "two.png"):
        assert run(folder, *given(folder), output=name) == 0
    assert (folder / "one.png").read_bytes() == (folder / "two.png").read_bytes()


def test_slow_methods_say_how_long_they_take(folder, capsys):
    run(folder, *given(folder), "--methods", "gradcam", "occlusion")
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "passes" in x]
    assert re.fullmatch(
        r"focus-audit explain-image: occlusion: \d+ forward passes, about .* s", line
    )


def test_from_an_audits_config(folder):
    """Model, preprocessing and classes are the audit's own."""
    config = {
        "audit": {"name": "x"},
        "model": {"path": "m.keras", "preprocess": "scale_0_1"},
        "dataset": {
            "format": "coco", "annotations": ".", "images": ".",
            "classes": {"pet": [0, 1], "wild": [2]},
        },
    }  # fmt: skip
    (folder / "audit.yaml").write_text(json.dumps(config))
    assert run(folder, "--classes", "pet", "wild", "3", model="audit.yaml") == 0
    assert run(folder, "--classes", "cat", model="audit.yaml") == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--classes", "cow"], "no such class"),
        (["--classes", "4"], "0 to 3"),
        (["--classes", "-1"], "no such class"),
        (["--top-k", "0"], "--top-k"),
        (["--methods", "gradcan"], "gradcam"),
        (["--layers", "nowhere"], "no layer 'nowhere'"),
    ],
)
def test_what_is_not_there(folder, change, told, capsys):
    if change == ["--classes", "-1"]:
        change = ["--classes=-1"]
    assert run(folder, *given(folder), *change, output="never.png") == 2
    error = capsys.readouterr().err.strip()
    assert told in error and error.count("\n") == 0
    assert not (folder / "never.png").exists()


@pytest.mark.parametrize("image", ["broken.png", "missing.png", "m.keras"])
def test_no_image(folder, image, capsys):
    assert run(folder, *given(folder), image=image) == 2
    assert image in capsys.readouterr().err


def test_a_preprocessing_is_asked_for(folder, capsys):
    assert run(folder) == 2
    assert "--preprocess" in capsys.readouterr().err


def test_the_model_sees_what_the_config_says(folder):
    """Another fit of the picture is another map."""
    for name, mode in (("one.png", "stretch"), ("two.png", "letterbox")):
        assert run(folder, *given(folder), "--resize", mode, output=name) == 0
    assert (folder / "one.png").read_bytes() != (folder / "two.png").read_bytes()
    assert SIZE[0] != SIZE[1]
