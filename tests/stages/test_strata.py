"""Parts of a class: each record is in one, and small ones stay."""

import numpy as np
import pandas as pd
import pytest

from audit.config.model import Config
from audit.stages.figures import ALL
from audit.stages.gather import Arrays, Boxes, Gathered
from audit.stages.strata import COLUMNS, strata_table
from tests.stages.hand_made import CONFIG, UNSCORED, gathered, record


def config(**strata):
    return Config.model_validate(CONFIG.model_dump() | {"strata": strata})


def with_boxes(found, boxes):
    """The same records with other boxes, a list of (n, 4) each, and their pictures' table."""
    counts = np.cumsum([0, *map(len, boxes)])
    corners = np.array([b for part in boxes for b in part], np.float64).reshape(-1, 4)
    names = sorted(found.records["file_name"].unique())
    given = Arrays(**{**vars(found.arrays), "boxes": Boxes(corners, counts)})
    return Gathered(found.records, given, pd.DataFrame({"file_name": names}), found.objects)


def table(rows, boxes=None, labels=None, classes=("cat",), **strata):
    rows = [{"n_boxes": 1, **r} for r in rows]
    found = gathered(*rows)
    found = with_boxes(found, boxes if boxes is not None else [square(20)] * len(rows))
    told = strata_table(found, classes, labels or {}, config(**strata))
    assert tuple(told.columns) == COLUMNS
    return told


def counts(told, by, name="cat"):
    mine = told[(told["by"] == by) & (told["class"] == name)]
    return dict(zip(mine["stratum"], mine["n_records"], strict=True))


def square(side):
    return [[1, 1, 1 + side, 1 + side]]


def test_sizes_are_cocos_on_the_largest_box():
    sides = [31.9, 32, 95.9, 96]
    boxes = [square(s) for s in sides] + [square(10) + square(40), []]
    told = table([record(f, "cat") for f in "abcdef"], boxes)
    assert counts(told, "box_size") == {"small": 1, "medium": 3, "large": 1, "unknown": 1}
    assert list(told[(told["by"] == "box_size") & (told["class"] == "cat")]["stratum"]) == [
        "small", "medium", "large", "unknown",
    ]  # fmt: skip


def test_bins_instances_and_prediction():
    rows = [
        record("a", "cat", area_fraction=0.05, n_boxes=1, correct=True),
        record("b", "cat", area_fraction=0.049, n_boxes=4, correct=False),
        record("c", "cat", area_fraction=0.9, n_boxes=5, correct=None),
        record("d", "cat", n_boxes=0, **UNSCORED),
    ]
    told = table(rows, area_fractions=[0.05, 0.5])
    assert counts(told, "area_fraction") == {"0-0.05": 1, "0.05-0.5": 1, "0.5-1": 1, "unknown": 1}
    assert counts(told, "instances") == {"0": 1, "1": 1, "2-4": 1, "5 or more": 1}
    assert counts(told, "prediction") == {"wrong": 1, "right": 2, "unknown": 1}


def test_labels_of_the_metadata():
    labels = {"site": ["b", "a", "", "b", "other"]}
    rows = [record(f, "cat") for f in "vwxyz"]
    told = table(rows, labels=labels, columns=["site"])
    assert counts(told, "metadata.site") == {"b": 2, "a": 1, "other": 1, "unknown": 1}
    few = table(rows, labels=labels, columns=["site"], max_values=1)
    assert counts(few, "metadata.site") == {"b": 2, "other": 2, "unknown": 1}


def test_labels_are_those_of_the_record_s_picture():
    rows = [record("b", "cat", False), record("a", "dog"), record("c", "cat")]
    told = table(rows, labels={"site": ["x", "y", "z"]}, classes=("cat", "dog"), columns=["site"])
    assert counts(told, "metadata.site") == {"y": 1, "z": 1}
    assert counts(told, "metadata.site", "dog") == {"x": 1}
    assert counts(told, "metadata.site", ALL) == {"x": 1, "y": 1, "z": 1}


def test_figures_of_a_stratum_by_hand():
    rows = [
        record("a", "cat", True, mask_iou=0.2, energy_skill=0.5),
        record("b", "cat", False, (3, 3), mask_iou=0.4, energy_skill=-0.1),
        record("c", "cat", False, (3, 3), mask_iou=0.9, eligible=False),
        record("d", "cat", correct=False),
    ]
    told = table(rows, min_records=3).set_index(["class", "by", "stratum"])
    right, wrong = told.loc["cat", "prediction", "right"], told.loc["cat", "prediction", "wrong"]
    assert (right["n_records"], right["n_eligible"]) == (3, 2)
    assert not right["small"] and right["small_eligible"]
    assert right["pointing_accuracy"] == pytest.approx(1 / 3)
    assert right["mean_iou"] == pytest.approx(0.5)
    assert right["background_focused_rate"] == 0.5
    assert 0 < right["pointing_accuracy_low"] < 1 / 3 < right["pointing_accuracy_high"]
    assert wrong["small"] and wrong["pointing_accuracy"] == 1  # marked, and still told


def test_strata_add_up_to_the_class(several):
    told = pd.read_csv(several.root / "strata.csv", keep_default_na=False, na_values=[""])
    per_class = pd.read_csv(several.root / "per_class.csv", keep_default_na=False)
    keys = ["class", "method", "layer"]
    sums = told.groupby([*keys, "by"])[["n_records", "n_scored", "n_eligible"]].sum().reset_index()
    both = sums.merge(per_class, on=keys, suffixes=("", "_told"))
    assert len(both) == len(per_class) * told["by"].nunique() > 0
    assert (both["n_records"] == both["n_scored_told"] + both["n_unscored"]).all()
    assert (both["n_scored"] == both["n_scored_told"]).all()
    assert (both["n_eligible"] == both["n_eligible_told"]).all()
