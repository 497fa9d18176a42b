"""Rows of per_class.csv and thresholds.csv, worked out by hand on small tables."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.stages.classes import ALL, COLUMNS, class_table, threshold_table
from audit.stages.eligibility import NO_VERDICT
from audit.stages.figures import Answers, skill
from tests.stages.hand_made import CONFIG, UNSCORED, gathered, record


def table(*rows, classes=("cat", "dog"), accuracy=None, config=CONFIG):
    answers = {c: Answers(a, np.arange(len(a))) for c, a in (accuracy or {}).items()}
    found = class_table(gathered(*rows), classes, answers, config)
    assert tuple(found.classes.columns) == COLUMNS
    return found.classes.set_index("class"), found.over_shuffled


def test_rates_and_means_by_hand():
    rows = [
        record("a", "cat", True, pointing_chance=0.2, mask_iou=0.1, energy_in_box=0.9),
        record("b", "cat", True, pointing_chance=0.3, mask_iou=0.4, energy_in_box=0.5),
        record("c", "cat", False, pointing_chance=0.4, mask_iou=0.4, energy_in_box=0.1),
        record("d", "cat", True, pointing_chance=0.5, mask_iou=0.7, energy_in_box=0.1),
    ]
    cat = table(*rows, accuracy={"cat": np.array([1.0, 1, 1, 0])})[0].loc["cat"]
    assert (cat["n_images"], cat["n_scored"], cat["n_unscored"], cat["n_eligible"]) == (4, 4, 0, 4)
    assert cat["pointing_accuracy"] == 0.75 and cat["accuracy"] == 0.75
    assert cat["pointing_chance"] == pytest.approx(0.35)
    assert cat["mean_iou"] == pytest.approx(0.4) and cat["energy_in_box"] == pytest.approx(0.4)
    # Wilson's interval of 3 of 4 (R, binom::binom.wilson).
    assert cat["accuracy_low"] == pytest.approx(0.3006418, abs=1e-6)
    assert cat["accuracy_high"] == pytest.approx(0.9544127, abs=1e-6)
    assert cat["mean_iou_low"] <= 0.4 <= cat["mean_iou_high"]


def test_accuracy_of_images_that_are_no_independent_ones_has_a_wider_interval():
    right = np.tile([1.0, 0.0], 10)
    rows = gathered(record("a", "cat"), record("b", "cat"))
    alone, pairs = (
        class_table(rows, ["cat"], {"cat": Answers(right, clusters)}, CONFIG).classes.iloc[0]
        for clusters in (np.arange(20), np.arange(20) % 10)
    )
    assert alone["accuracy"] == pairs["accuracy"] == 0.5
    assert pairs["accuracy_low"] < alone["accuracy_low"] - 0.03


def test_pointing_skill_is_that_of_the_means():
    """Records of chance .2 (hit) and .8 (missed): means .5 and .5, so 0; record skills would give
    (1 - 4) / 2."""
    rows = [
        record("a", "cat", True, pointing_chance=0.2),
        record("b", "cat", False, pointing_chance=0.8),
    ]
    assert table(*rows)[0].loc["cat", "pointing_skill"] == pytest.approx(0)
    assert skill(0.75, 0.5) == 0.5 and math.isnan(skill(1.0, 1.0))


def test_unscored_records_are_counted_and_never_zero():
    rows = [record("a", "cat"), record("b", "cat"), record("c", "cat", **UNSCORED)]
    cat = table(*rows)[0].loc["cat"]
    assert (cat["n_images"], cat["n_scored"], cat["n_unscored"]) == (3, 2, 1)
    assert cat["pointing_accuracy"] == 1 and cat["energy_in_box"] == 1
    assert cat["mean_iou"] == pytest.approx(0.2) and cat["n_energy_skill"] == 2


def test_a_class_without_images_has_no_rates():
    dog = table(record("a", "cat"), record("b", "cat"))[0].loc["dog"]
    assert (dog["n_images"], dog["n_scored"], dog["n_eligible"]) == (0, 0, 0)
    rates = ["accuracy", "pointing_accuracy", "mean_iou", "energy_in_box", "energy_skill"]
    rates += ["background_focused_rate", "pointing_skill", "p_value", "q_value"]
    assert dog[rates].isna().all()
    assert dog["verdict"] == "insufficient" and dog["confirmation"] == "not_run"


def test_few_eligible_records_are_insufficient_whatever_they_show():
    rows = [record("a", "cat", False, (3, 3)), record("b", "cat", True, eligible=False)]
    cat = table(*rows)[0].loc["cat"]
    assert cat["verdict"] == "insufficient" and math.isnan(cat["p_value"])
    assert cat["background_focused_rate"] == 1  # told, not judged


def test_the_background_focused_rate_is_of_eligible_records():
    rows = [record(c, "cat", True) for c in "abc"]
    rows += [record("d", "cat", False, (3, 3)), record("e", "cat", False, (3, 3), eligible=False)]
    cat = table(*rows)[0].loc["cat"]
    assert (cat["n_eligible"], cat["n_background_focused"]) == (4, 1)
    assert cat["background_focused_rate"] == 0.25


def test_predictions_that_are_not_annotated_stay_out():
    rows = [record("a", "cat"), record("b", "cat", False, (3, 3), reference="any_object")]
    found = table(*rows)[0]
    assert found.loc["cat", "n_images"] == found.loc[ALL, "n_images"] == 1


def test_a_class_whose_maps_lie_elsewhere_is_flagged_and_the_other_is_not():
    """0 of 10 and 10 of 10: p = .3^10, q twice that."""
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    rows = [record(f"c{k}", "cat", True, places[k % 4]) for k in range(10)]
    rows += [record(f"d{k}", "dog", False, (3, k % 4)) for k in range(10)]
    found, _ = table(*rows)
    assert found.loc["dog", "verdict"] == "flagged"
    assert found.loc["dog", "p_value"] == pytest.approx(0.3**10)
    assert found.loc["dog", "q_value"] == pytest.approx(2 * 0.3**10)
    # Each map of a cat would do for each other cat: they cannot clear the class.
    assert found.loc["cat", "verdict"] == "inconclusive"
    assert found.loc["cat", "background_focused_shuffled"] == 0
    assert found.loc["dog", "background_focused_shuffled"] == 1


def test_shuffled_baselines_are_of_the_other_images_maps():
    """Two hits and a miss: each map is laid on the two other pictures."""
    rows = [record("a", "cat"), record("b", "cat"), record("c", "cat", False, (3, 3))]
    found, over = table(*rows)
    assert found.loc["cat", "pointing_shuffled"] == pytest.approx(2 / 3)
    # Skills 1, 1, -1/3: the first picture's own less the mean of the two others' on it.
    np.testing.assert_allclose(over, [1 - 1 / 3, 1 - 1 / 3, -1 / 3 - 1], atol=1e-6)
    assert found.loc["cat", "skill_over_shuffled"] == pytest.approx(0, abs=1e-6)


def test_maps_of_one_cluster_are_no_other_images_maps():
    """Two frames of one video that hit, and a third picture that misses."""
    rows = [record("a", "cat"), record("b", "cat"), record("c", "cat", False, (3, 3))]
    given = gathered(*rows)
    records = given.records.assign(cluster=[0, 0, 2])
    found = class_table(replace(given, records=records), ["cat"], {}, CONFIG)
    # The miss on each frame, and both frames on the third picture.
    assert found.classes["pointing_shuffled"][0] == pytest.approx((0 + 0 + 1) / 3)
    np.testing.assert_allclose(found.over_shuffled, [4 / 3, 4 / 3, -4 / 3], atol=1e-6)


def test_a_single_record_has_nothing_to_be_shuffled_with():
    found, over = table(record("a", "cat"))
    assert math.isnan(found.loc["cat", "pointing_shuffled"]) and np.isnan(over).all()


def test_all_classes_together_count_a_picture_of_two_classes_once():
    """Four pictures with both classes: eight records, but no narrower an interval than of four.

    Wilson's of 6 of 8 would be .52 wide, of 3 of 4 .65.
    """
    rows = [record(f, c, f != "d") for f in "abcd" for c in ("cat", "dog")]
    found, _ = table(*rows)
    both, cat = found.loc[ALL], found.loc["cat"]
    assert both["n_images"] == 4 and both["n_scored"] == 8
    assert both["pointing_accuracy"] == 0.75
    own = cat["pointing_accuracy_high"] - cat["pointing_accuracy_low"]
    width = both["pointing_accuracy_high"] - both["pointing_accuracy_low"]
    assert own == pytest.approx(0.654, abs=0.001) and width >= own
    assert pd.isna(both["verdict"]) and pd.isna(both["p_value"])


def test_methods_have_rows_of_their_own():
    rows = [record("a", "cat"), record("a", "cat", False, (3, 3), method="other")]
    found, *_ = class_table(gathered(*rows), ["cat"], {}, CONFIG)
    rates = found[found["class"] == "cat"].set_index("method")["pointing_accuracy"]
    assert dict(rates) == {"gradcam": 1, "other": 0}


def test_layers_have_rows_and_corrections_of_their_own():
    """Two classes at each of two layers: q is twice p, not four times."""
    rows = [record(f"d{k}", "dog", False, (3, k % 4)) for k in range(10)]
    rows += [record(f"c{k}", "cat") for k in range(10)]
    both = [{**r, "layer": layer} for layer in ("deep", "out") for r in rows]
    found, *_ = class_table(gathered(*both), ["cat", "dog"], {}, CONFIG)
    assert list(zip(found["class"], found["layer"], strict=True)) == [
        (name, layer) for layer in ("deep", "out") for name in ("cat", "dog", ALL)
    ]
    dogs = found[found["class"] == "dog"]
    assert dogs["q_value"].tolist() == pytest.approx([2 * 0.3**10] * 2)
    assert (dogs["verdict"] == "flagged").all()


def test_a_baseline_has_figures_and_no_verdict():
    """Ten misses: another method's class would be flagged for them."""
    rows = [record(f"d{k}", "dog", False, (3, 3), method="center") for k in range(10)]
    found, over, _ = class_table(gathered(*rows), ["dog"], {}, CONFIG)
    assert list(found["reason"]) == [NO_VERDICT] * 2
    unknown = ["verdict", "confirmation", "p_value", "q_value", "permutation_p"]
    unknown += ["pointing_shuffled", "background_focused_shuffled", "skill_over_shuffled"]
    assert found[unknown].isna().all(axis=None) and np.isnan(over).all()
    dog = found.iloc[0]
    assert (dog["pointing_accuracy"], dog["background_focused_rate"], dog["n_eligible"]) == (
        0, 1, 10,
    )  # fmt: skip


EVEN = {
    "method": "uniform", "pointing_note": "even", "pointing_chance_15px": 0.6, "energy_skill": 0.0,
    **dict.fromkeys(("pointing_hit", "pointing_hit_15px", "background_focused")),
    "point_u": np.nan, "point_v": np.nan, "eligible": False,
}  # fmt: skip


def test_an_even_map_hits_as_often_as_chance():
    """Expected hits .2, .3 and .7: their mean is .4, with an interval of means, and skill 0."""
    chances = {"a": 0.2, "b": 0.3, "c": 0.7}
    rows = [record(f, "cat", **(EVEN | {"pointing_chance": p})) for f, p in chances.items()]
    found, *_ = class_table(gathered(*rows), ["cat"], {}, CONFIG)
    for _, row in found.iterrows():
        assert row["pointing_accuracy"] == pytest.approx(0.4, abs=1e-12)
        assert row["pointing_accuracy"] == row["pointing_chance"] and row["pointing_skill"] == 0
        assert 0.2 <= row["pointing_accuracy_low"] < 0.4 < row["pointing_accuracy_high"] <= 0.7
        assert row["pointing_accuracy_15px"] == pytest.approx(0.6)
        assert math.isnan(row["background_focused_rate"])


def test_an_even_map_without_a_box_expects_nothing():
    rows = [record("a", "cat", **(EVEN | {"pointing_chance": 0.2}))]
    rows.append(record("b", "cat", **(UNSCORED | {"method": "uniform", "pointing_note": None})))
    found, *_ = class_table(gathered(*rows), ["cat"], {}, CONFIG)
    assert found["pointing_accuracy"].tolist() == [0.2, 0.2]


def test_thresholds_by_hand():
    rows = [
        record("a", "cat", sweep=(0.2, 0.4), box_sweep=(0.29, 0.5)),
        record("b", "cat", sweep=(0.4, 0.8), box_sweep=(0.3, 0.7)),
        record("c", "cat", **UNSCORED),
    ]
    found = threshold_table(gathered(*rows), ["cat", "dog"], (0.1, 0.2))
    cat = found[found["class"] == "cat"].set_index("threshold")
    assert list(cat["n_scored"]) == [2, 2]
    assert cat["mean_mask_iou"].tolist() == pytest.approx([0.3, 0.6])
    assert cat["max_box_acc_30"].tolist() == [0.5, 1]
    assert cat["max_box_acc_50"].tolist() == [0, 1]
    assert cat["max_box_acc_70"].tolist() == [0, 0.5]
    dog = found[found["class"] == "dog"]
    assert list(dog["n_scored"]) == [0, 0] and dog["mean_mask_iou"].isna().all()
    assert len(found[found["class"] == ALL]) == 2


def test_each_layer_has_thresholds_of_its_own():
    rows = [record("a", "cat", layer="deep", sweep=(0.1, 0.2)), record("a", "cat")]
    found = threshold_table(gathered(*rows), ["cat"], (0.1, 0.2)).set_index(["layer", "threshold"])
    cat = found[found["class"] == "cat"]["mean_mask_iou"]
    assert dict(cat) == {
        ("deep", 0.1): 0.1, ("deep", 0.2): 0.2, ("out", 0.1): 0.2, ("out", 0.2): 0.3,
    }  # fmt: skip
