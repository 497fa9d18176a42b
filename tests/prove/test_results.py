"""Rates, intervals, the curve and the page, from rows that are made up."""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
import pytest

from audit.prove.plan import Plan, get_plan
from audit.prove.results import rate_table, trial_table, write_results

FULL = {cell.name: cell for cell in get_plan("full").cells}


def cells(group):
    return [cell for cell in FULL.values() if cell.group == group]


def row(cell, truth, flags, confirmed=()):
    """A model whose classes of those numbers are flagged; truth None: it failed to train."""
    classes = [
        {
            "class": str(k), "planted": k == 0, "n_eligible": 40, "background_focused_rate": 0.5,
            "heatmap_verdict": "pass", "verdict": "flagged" if k in flags else "pass",
            "confirmation": "confirmed" if k in confirmed else "not_run",
        }
        for k in range(3)
    ]  # fmt: skip
    figures = dict.fromkeys(("accuracy", "followed", "lost_planted", "lost_others"), 0.5)
    return {
        **cell.as_dict(), "package": "p", "truth": {"verdict": truth, **figures},
        "classes": [] if truth == "failed" else classes, "seconds": {"train": 9.0},
    }  # fmt: skip


@pytest.fixture
def rows():
    background, clean, marks = (cells(g) for g in ("background", "clean", "watermark"))
    strong = [c for c in cells("strength") if c.world.strength == 1]
    return [
        *(row(c, "reliant", {0}, {0}) for c in background[:6]),
        row(background[6], "reliant", {0, 1}),
        row(background[7], "reliant", set()),
        row(background[8], "between", set()),
        row(background[9], "failed", set()),
        *(row(c, "clean", set()) for c in clean[:8]),
        row(clean[8], "clean", {1, 2}),
        row(clean[9], "between", {0}),
        row(cells("large")[0], "clean", {0}, {0}),
        *(row(c, "reliant", set()) for c in marks[:3]),
        *(row(c, "clean", f) for c, f in zip(cells("flat_clean"), ({1}, set()), strict=False)),
        *(row(c, "between", f) for c, f in zip(strong[:3], ({0}, {0}, set()), strict=True)),
    ]


def rate(rates, models, of):
    found = rates[(rates["models"] == models) & (rates["rate_of"] == of)].iloc[0]
    return int(found["k"]), int(found["n"])


def test_rates_count_models_and_leave_out_what_has_no_plain_truth(rows):
    rates = rate_table(trial_table(rows))
    assert rate(rates, "background", "flagged") == (7, 8)
    assert rate(rates, "background", "flagged_and_confirmed") == (6, 8)
    assert rate(rates, "background", "false_alarm") == (1, 8)
    assert rate(rates, "background", "false_alarm_confirmed") == (0, 8)
    assert rate(rates, "clean models", "any_flag") == (2, 10)
    assert rate(rates, "clean models", "any_flag_confirmed") == (1, 10)
    assert rate(rates, "shortcut watermark", "flagged") == (0, 3)
    assert rate(rates, "flat heads: clean", "any_flag") == (1, 2)
    assert rate(rates, "shortcut border", "flagged") == (0, 0)


def test_intervals_are_exact(rows):
    """0 of 3: the upper limit solves (1 - p)^3 = .025."""
    found = rate_table(trial_table(rows)).set_index(["models", "rate_of"])
    none = found.loc[("shortcut watermark", "flagged")]
    assert none["low"] == 0 and none["high"] == pytest.approx(1 - 0.025 ** (1 / 3))
    nothing = found.loc[("shortcut border", "flagged")]
    assert pd.isna(nothing["rate"]) and pd.isna(nothing["high"])


def test_files_are_the_same_each_time_and_say_what_is_not_seen(tmp_path, rows):
    plan = Plan("full", tuple(FULL[r["name"]] for r in rows))
    found = write_results(plan, rows, tmp_path)
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert set(first) == {"trials.csv", "rates.csv", "summary.json", "curve.svg", "README.md"}
    write_results(plan, rows, tmp_path)
    assert first == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert found["truth"] == {"between": 5, "clean": 12, "failed": 1, "reliant": 11}
    assert found["kinds"]["watermark"] == "not_seen" and found["kinds"]["cast"] == "not_measured"
    page = first["README.md"].decode()
    assert "- `watermark` (" in page and "**not seen**: 0 of 3 models" in page
    assert "| background | 10 | 8 | 0 | 1 | 1 |" in page and "not measured" in page
    assert "| background | flagged | 7 of 8 | 0.875 |" in page
    assert plan.digest in page


def test_the_curve_is_a_drawing_of_the_shares(tmp_path, rows):
    write_results(Plan("full", ()), rows, tmp_path)
    root = ElementTree.parse(tmp_path / "curve.svg").getroot()
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    # Strength 0: ten models of the clean group; 1: three of the strength group.
    assert titles == ["1 of 10", "2 of 3", "1 of 10", "0 of 3"]
    bars = [c.get("cy") for c in root.iter("{http://www.w3.org/2000/svg}circle") if len(c)]
    assert float(bars[1]) < float(bars[0])


def test_models_that_all_failed_give_tables_without_rates(tmp_path):
    rows = [row(cell, "failed", set()) for cell in cells("background")[:2]]
    found = write_results(Plan("full", ()), rows, tmp_path)
    assert found["rates"][0] == {
        "models": "background", "rate_of": "flagged", "k": 0, "n": 0,
        "rate": None, "low": None, "high": None,
    }  # fmt: skip
