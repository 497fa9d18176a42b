"""The tables beside per_class.csv: accuracy, exclusions, flagged records, names of pictures."""

import re

import numpy as np
import pandas as pd
import pytest

from audit.config.model import Config
from audit.stages.classes import ALL
from audit.stages.flagged import flagged_table, overlay_name
from audit.stages.gather import Gathered
from audit.stages.judge import answers_by_class, excluded_table
from audit.stages.overlays import choose, read_flagged
from audit.tables.csv import write_csv


def images(**predicted):
    """One row an image: file name -> predicted class, or a fault written as "!fault"."""
    rows = [
        {
            "file_name": name, "where": f"{name}.xml", "predicted_class": None if bad else value,
            "fault": value[1:] if bad else None, "detail": "why" if bad else None,
            "n_targets": None if bad else 1,
        }
        for name, value in predicted.items()
        for bad in [value.startswith("!")]
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"n_targets": "Int32"})


def objects(*pairs):
    return pd.DataFrame(
        [{"file_name": f, "where": f, "class_name": c, "ignored": False} for f, c in pairs],
        columns=["file_name", "where", "class_name", "ignored"],
    )


def world(predicted, pairs, records=None):
    pictures = images(**predicted)
    pictures["cluster"] = np.arange(len(pictures)) // 2
    return Gathered(records, {}, pictures, objects(*pairs))


def test_accuracy_is_per_image_with_the_class():
    found = answers_by_class(
        world(
            {"a": "cat", "b": "dog", "c": "cat", "d": "owl"},
            [("a", "cat"), ("a", "cat"), ("b", "cat"), ("c", "cat"), ("c", "dog"), ("d", "dog")],
        ),
        ["cat", "dog"],
        "softmax",
    )
    # Image c holds both classes; the cat that was predicted makes it right for both. The images a
    # and b are of one cluster, and so are c and d.
    told = {name: sorted(zip(*answers, strict=True)) for name, answers in found.items()}
    assert told == {
        "cat": [(0, 0), (1, 0), (1, 1)], "dog": [(0, 1), (1, 1)],
        ALL: [(0, 0), (0, 1), (1, 0), (1, 1)],
    }  # fmt: skip


def test_accuracy_leaves_out_unreadable_images_and_unmapped_classes():
    found = answers_by_class(
        world(
            {"a": "cat", "b": "!truncated_image", "c": "owl"},
            [("a", "cat"), ("b", "cat"), ("c", "owl")],
        ),
        ["cat", "dog"],
        "softmax",
    )
    right = {name: list(answers.right) for name, answers in found.items()}
    assert right == {"cat": [1], "dog": [], ALL: [1]}


def test_accuracy_of_many_labels_is_the_classs_own_score():
    rows = [("a", "cat", True), ("a", "dog", False), ("b", "cat", False), ("b", "dog", None)]
    records = pd.DataFrame(rows, columns=["file_name", "target_class", "correct"])
    records = records.astype({"correct": "boolean"})
    records["reference"] = ["class", "class", "class", "any_object"]
    records["cluster"] = [7, 7, 8, 8]
    found = answers_by_class(
        world({"a": "cat", "b": "cat"}, [("a", "cat")], records), ["cat", "dog"], "sigmoid"
    )
    assert [list(part) for part in found["cat"]] == [[1, 0], [7, 8]]
    assert [list(part) for part in found["dog"]] == [[0], [7]]


def test_excluded_boxes_and_images_add_up():
    given = world(
        {"a": "cat", "b": "!truncated_image", "c": "cat"},
        [("a", "cat"), ("a", "owl"), ("b", "cat"), ("b", "owl"), ("c", "owl")],
    )
    given.images.loc[given.images["file_name"] == "c", "n_targets"] = 0
    from_index = [
        {
            "kind": "box", "file_name": "a", "where": "a.xml: object 3", "reason": "no_area",
            "detail": "", "class_name": "cat", "n_boxes": 1,
        }
    ]  # fmt: skip
    found = excluded_table(given, from_index, ["cat"])
    told = found[["kind", "file_name", "reason", "n_boxes"]].values.tolist()
    assert told == [
        ["box", "a", "class_not_mapped", 1],
        ["box", "a", "no_area", 1],
        ["image", "c", "no_target", 1],
        ["image", "b", "truncated_image", 2],
    ]


ORDER = [("gradcam", "out")]


def predictions(*changes):
    base = {
        "method": "gradcam", "layer": "out", "eligible": True, "energy_skill": 0.0,
        "predicted_score": 0.5, "background_focused": True, "target_class": "cat",
        "status": "scored",
    }  # fmt: skip
    rows = [{**base, "file_name": f"{k}.jpg", **change} for k, change in enumerate(changes)]
    return pd.DataFrame(rows).astype({"background_focused": "boolean"})


def test_flagged_records_come_worst_first():
    found = flagged_table(
        predictions(
            {"file_name": "low skill", "energy_skill": -0.3},
            {"file_name": "not eligible", "energy_skill": -0.9, "eligible": False},
            {"file_name": "sure", "predicted_score": 0.9},
            {"file_name": "unsure", "predicted_score": 0.1},
            {"file_name": "fine", "background_focused": False},
            {"file_name": "unknown", "background_focused": None},
        ),
        2,
        ORDER,
    )
    assert list(found["file_name"]) == ["low skill", "sure", "unsure", "not eligible"]
    assert list(found["overlay"].notna()) == [True, True, False, False]


def test_nothing_flagged_is_an_empty_table_with_its_columns():
    found = flagged_table(predictions({"background_focused": False}), 2, ORDER)
    assert len(found) == 0 and "overlay" in found


HOSTILE = ["../../etc/passwd", "a/b\\c", "nul\0l", "日本", "", "x" * 300, "-rf", "a\nb", "<b>", "."]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_inside_the_folder(name):
    path = overlay_name("flagged", 1, f"{name}.jpg", name)
    assert re.fullmatch(r"overlays/flagged_0001_[A-Za-z0-9_]{0,40}_[0-9a-f]{10}\.jpg", path)


def test_names_of_pictures_do_not_clash():
    pairs = [("a.jpg", "x"), ("a.jpg", "y"), ("b.jpg", "x"), ("a.jpg", "x/"), ("a.jpgx", "")]
    assert len({overlay_name("sample", 1, *p) for p in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "name", ["NA", "null", "1", "01", "1e5", "True", "a,b", 'quote"', " x ", "=x", "'-1"]
)
def test_pictures_are_found_again_whatever_their_class_is_called(tmp_path, name):
    """flagged.csv is read back for the pictures: text has to stay the text that it is."""
    table = predictions({"target_class": name}, {"background_focused": False, "target_class": name})
    flagged = flagged_table(table, 1, ORDER)
    write_csv(tmp_path / "flagged.csv", flagged)
    config = Config.model_validate(
        {
            "audit": {"name": "t"},
            "model": {"path": "m.keras", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "a", "images": "i"},
        }
    )
    chosen = choose(table, read_flagged(tmp_path / "flagged.csv"), config)
    assert [(r["kind"], r["target_class"]) for r in chosen] == [("flagged", name), ("sample", name)]
    assert chosen[0]["overlay"] == flagged["overlay"].iloc[0]


def test_no_overlay_is_drawn_twice():
    table = predictions(*[{"background_focused": k < 3} for k in range(20)])
    table["background_focused"] = table["background_focused"].astype("boolean")
    config = Config.model_validate(
        {
            "audit": {"name": "t", "seed": 4},
            "model": {"path": "m.keras", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "a", "images": "i"},
            "report": {"overlays_flagged": 2, "overlays_sample": 5},
        }
    )
    chosen = choose(table, flagged_table(table, 2, ORDER), config)
    assert [r["kind"] for r in chosen] == ["flagged"] * 2 + ["sample"] * 5
    assert len({r["file_name"] for r in chosen}) == len({r["overlay"] for r in chosen}) == 7
    assert chosen == choose(table, flagged_table(table, 2, ORDER), config)
    assert np.all([not r["background_focused"] for r in chosen[2:]])
