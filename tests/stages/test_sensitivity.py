"""Verdicts under other numbers of the rule, against records judged by hand."""

import math

import pandas as pd
import pytest

from audit.config.model import Config
from audit.stages.classes import class_table
from audit.stages.sensitivity import COLUMNS, rule_settings
from tests.stages.hand_made import CONFIG, gathered, record


def config(flags=None, **sensitivity):
    values = CONFIG.model_dump()
    nothing = dict.fromkeys(("tolerance", "min_energy_skill", "max_rate", "min_eligible"), ())
    values["sensitivity"] = {k: list(v) for k, v in (nothing | sensitivity).items()}
    values["flags"] |= flags or {}
    return Config.model_validate(values)


def judged(rows, chosen, classes=("cat",)):
    found = class_table(gathered(*rows), list(classes), {}, chosen)
    assert tuple(found.sensitivity.columns) == COLUMNS
    return found.classes.set_index("class"), found.sensitivity


# Ten maps 5 pixels under the box, with skill -1/3, and two in it.
OFF = [record(f"c{k}", "cat", False, (2, k % 2)) for k in range(10)]
ROWS = [*OFF, record("x", "cat"), record("y", "cat", True, (1, 1))]


def test_the_settings_are_moved_one_at_a_time():
    told = rule_settings(config(tolerance=[0.0, 3.0, 3.0], max_rate=[0.2], min_eligible=[9]))
    assert [(s.name, s.value) for s in told] == [
        ("configured", None), ("tolerance", 3.0), ("max_rate", 0.2), ("min_eligible", 9),
    ]  # fmt: skip
    assert told[0].flags == CONFIG.flags and told[1].flags.tolerance == 3
    assert told[2].flags.tolerance == 0 and told[2].flags.max_rate == 0.2


def test_tolerance_moves_the_rate_at_the_distance_itself():
    classes, found = judged(ROWS, config(tolerance=[4.99, 5.0]))
    found = found.set_index(found["value"].fillna(0))
    assert found["n_background_focused"].to_dict() == {0: 10, 4.99: 10, 5: 0}
    assert found["verdict"].to_dict() == {0: "flagged", 4.99: "flagged", 5: "inconclusive"}
    # Other images' maps, too: five pixels off at most, all of them hit.
    assert found["background_focused_shuffled"].to_dict() == {
        0: pytest.approx(10 / 12), 4.99: pytest.approx(10 / 12), 5: 0,
    }  # fmt: skip
    cat = classes.loc["cat"]
    assert not cat["verdict_stable"]
    assert cat["verdict_changes_with"] == "tolerance=5"


def test_energy_skill_rate_and_number_move_the_verdict():
    found = judged(
        ROWS, config(min_energy_skill=[-0.4, -0.3], max_rate=[0.6, 0.8], min_eligible=[12, 13])
    )[1]
    told = {(s, v): verdict for s, v, verdict in found[["setting", "value", "verdict"]].values}
    assert told["min_energy_skill", -0.4] == "inconclusive"  # none is focused; maps are alike
    assert told["min_energy_skill", -0.3] == "flagged"
    assert told["max_rate", 0.6] == "inconclusive" and told["max_rate", 0.8] == "inconclusive"
    assert told["min_eligible", 12] == "flagged" and told["min_eligible", 13] == "insufficient"
    assert list(found["same_verdict"]) == list(found["verdict"] == "flagged")


def test_a_maximum_in_padding_is_a_miss_at_any_tolerance():
    padded = [{**r, "pointing_note": "in_padding", "pointing_distance": math.nan} for r in ROWS]
    found = judged(padded, config(tolerance=[9999.0]))[1]
    assert list(found["n_background_focused"]) == [10, 10]


def test_correction_is_over_the_classes_in_each_setting():
    dogs = [record(f"d{k}", "dog") for k in range(3)]
    found = judged([*ROWS, *dogs], config(min_eligible=[4]), ("cat", "dog"))[1]
    cat = found[found["class"] == "cat"]
    assert cat["q_value"].tolist() == pytest.approx(
        [2 * cat["p_value"].iloc[0], cat["p_value"].iloc[0]]
    )


def test_nothing_tried_is_not_called_stable():
    classes, found = judged(ROWS, config())
    assert pd.isna(classes.loc["cat", "verdict_stable"]) and list(found["setting"]) == [
        "configured"
    ]


def test_stable_where_no_setting_changes_it():
    cat = judged(ROWS, config(tolerance=[1.0], max_rate=[0.25]))[0].loc["cat"]
    assert bool(cat["verdict_stable"]) and pd.isna(cat["verdict_changes_with"])


def test_the_run_judges_as_its_scores_do(several):
    """Of a whole run: the configured row is per_class.csv's, and distances are those of the points."""
    table = pd.read_csv(several.root / "sensitivity.csv", keep_default_na=False, na_values=[""])
    per_class = pd.read_csv(several.root / "per_class.csv", keep_default_na=False, na_values=[""])
    keys = ["class", "method", "layer"]
    first = table[table["setting"] == "configured"].merge(
        per_class, on=keys, suffixes=("", "_told")
    )
    assert len(first) == per_class["verdict"].notna().sum() > 0
    for name in ("n_background_focused", "n_eligible"):
        assert (first[name] == first[f"{name}_told"]).all()
    assert (first["verdict"] == first["heatmap_verdict"]).all()
    records = pd.read_csv(several.root / "predictions.csv")
    told = records[records["pointing_distance"].notna()]
    assert ((told["pointing_distance"] <= 15) == told["pointing_hit_15px"].astype(bool)).all()
    assert ((told["pointing_distance"] == 0) == told["pointing_hit_0px"].astype(bool)).all()
