"""Which records a class verdict may rest on, and why not the others."""

import pandas as pd
import pytest

from audit.stages.eligibility import PHRASES, REASONS, is_baseline, mark_eligible, of_baselines

GOOD = {
    "reference": "class", "status": "scored", "correct": True, "n_classes": 1,
    "largest_box_cells": 4.0, "energy_skill": 0.3, "pointing_hit": True,
    "pointing_note": "", "target_class": "cat", "method": "gradcam", "layer": "out",
    "predicted_class": "cat", "predicted_score": 0.8, "target_probability": 0.8,
}  # fmt: skip


def records(*changes):
    """One record per change of :data:`GOOD`, each its own picture unless ``group`` is given."""
    rows = [{**GOOD, "group": place, **change} for place, change in enumerate(changes)]
    rows = [{"cluster": row["group"], **row} for row in rows]
    truth = {"correct": "boolean", "pointing_hit": "boolean"}
    return pd.DataFrame(rows).astype(truth)


def told(*changes):
    found = mark_eligible(records(*changes), {"cat", "dog"}, 0.9)
    assert list(found["eligible"]) == list(found["ineligible_reason"].isna())
    return [r if isinstance(r, str) else None for r in found["ineligible_reason"]]


CASES = {
    "not_annotated": {"reference": "any_object"},
    "unscored": {"status": "unscored"},
    "likely_label_error": {
        "correct": False, "predicted_class": "dog", "predicted_score": 0.9,
        "target_probability": 0.1,
    },
    "wrong_prediction": {"correct": False},
    "several_classes": {"n_classes": 2},
    "box_under_a_cell": {"largest_box_cells": 0.99},
    "box_too_large_to_tell": {"energy_skill": None},
    "no_maximum": {"pointing_hit": None, "pointing_note": "even"},
    "maximum_in_ignored_region": {"pointing_hit": None, "pointing_note": "in_ignored"},
}  # fmt: skip


@pytest.mark.parametrize("reason", CASES)
def test_each_reason(reason):
    assert told({}, CASES[reason]) == [None, reason]


def test_every_reason_has_a_case():
    assert {*CASES, "near_duplicate", "same_group"} == set(REASONS) == set(PHRASES)


@pytest.mark.parametrize(
    "change",
    [
        {"predicted_score": 0.89},
        {"target_probability": 0.11},  # multi-label: sure of both
        {"predicted_class": "owl"},  # nobody was asked to annotate owls
        {"predicted_class": "cat"},
        {"predicted_score": None},
    ],
)
def test_what_makes_no_label_error(change):
    assert told(CASES["likely_label_error"] | change) == ["wrong_prediction"]


def test_a_right_prediction_is_no_label_error():
    """The dog that was named is annotated, beside the cat."""
    both = CASES["likely_label_error"] | {"correct": True, "n_classes": 2}
    assert told(both) == ["several_classes"]


def test_unknown_correctness_is_not_correct():
    assert told({"correct": None}) == ["wrong_prediction"]


def test_a_box_of_just_one_cell_counts():
    assert told({"largest_box_cells": 1.0}) == [None]


def test_of_near_duplicates_the_first_counts():
    assert told({"group": 3}, {"group": 3}, {"group": 3}) == [None, *["near_duplicate"] * 2]


def test_of_near_duplicates_the_first_that_could_count_does():
    """A copy that fails for another reason takes no place."""
    assert told({"group": 3, "correct": False}, {"group": 3}) == ["wrong_prediction", None]


def test_of_a_group_the_first_that_could_count_does():
    """1, 2 and 3 are of one video, and 2 is nearly 1; the second video starts with a miss."""
    rows = [{"group": g, "cluster": 1} for g in (1, 1, 3)]
    rows += [{"group": 5, "cluster": 5, "correct": False}, {"group": 6, "cluster": 5}]
    assert told(*rows) == [None, "near_duplicate", "same_group", "wrong_prediction", None]


def test_which_of_a_group_counts_does_not_depend_on_what_its_map_shows():
    miss = {"group": 1, "pointing_hit": False, "energy_skill": -0.4}
    hit = {"group": 1, "pointing_hit": True, "energy_skill": 0.9}
    assert told(miss, hit) == told(hit, miss) == [None, "near_duplicate"]


def test_baselines_are_the_methods_that_say_so():
    names = ["center", "gradcam", "no such method", "random", "saliency", "uniform"]
    baselines = ["center", "random", "uniform"]
    assert [n for n in names if is_baseline(n)] == baselines
    table = pd.DataFrame({"method": names * 2})
    assert list(of_baselines(table)) == [n in baselines for n in names] * 2


def test_one_picture_counts_once_in_each_class_method_and_layer():
    assert told({"group": 1}, {"group": 1, "layer": "deep"}) == [None, None]
    assert told({"group": 1}, {"group": 1, "target_class": "dog"}) == [None, None]
    assert told({"group": 1}, {"group": 1, "method": "other"}) == [None, None]


def test_no_records():
    assert len(mark_eligible(records({}).iloc[:0], set(), 0.9)) == 0
