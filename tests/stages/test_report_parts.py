"""What the report takes of the records: mean maps, pictures that are chosen, typed tables."""

import numpy as np
import pandas as pd
import pytest

from audit.geometry import make_frame
from audit.report.words import advice, three_reasons
from audit.stages.report_gallery import choose, key_of, types_of
from audit.stages.report_maps import CELLS, ClassMaps
from audit.stages.report_tables import ranked, typed

FRAME = make_frame(40, 40, 40, 40, "stretch")


def test_mean_maps_show_the_habit_and_the_part_of_the_object():
    """The map is bright in the image's top left quarter; the box lies around it."""
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[:2, :2] = 3
    maps = ClassMaps()
    for box in ((0, 0, 20, 20), (5, 5, 15, 15)):
        maps.add(heatmap, FRAME, np.array([box, (30, 30, 31, 31)], float))
    maps.add(np.zeros((4, 4), np.float32), FRAME, np.array([(0, 0, 9, 9)], float))
    image, around = np.array(maps.in_image.mean()), np.array(maps.in_box.mean())
    assert maps.in_image.n == 2 and image.shape == (CELLS, CELLS)
    half = CELLS // 2
    assert image[: half - 4, : half - 4].min() == 1 and image[half + 4 :].max() == 0
    # Left of the first box lies no image: one record of two reaches there.
    assert maps.in_box.seen[0, 0] == 1 and maps.in_box.seen[half, half] == 2
    assert around[half - 2, half - 2] == 1


def test_a_class_without_a_map_has_no_mean():
    assert ClassMaps().values() == {"n": 0, "in_image": None, "in_box": None}


def records(n=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "file_name": [f"{k}.png" for k in range(n)], "target_class": ["a", "b"] * (n // 2),
            "method": "gradcam", "layer": "x", "energy_skill": rng.random(n),
            "background_focused": [k % 5 == 0 for k in range(n)], "pointing_hit": True,
            "correct": True, "eligible": True,
        }
    )  # fmt: skip


def test_the_worst_come_first_and_a_sample_stands_beside_them():
    shown = choose(records(), ["b", "a"], 12, seed=0)
    assert [r["target_class"] for r in shown] == ["b"] * 6 + ["a"] * 6
    kinds = [r["kind"] for r in shown if r["target_class"] == "a"]
    assert kinds == ["worst"] * 3 + ["sample"] * 3
    worst = [r for r in shown if r["kind"] == "worst"]
    assert all(r["background_focused"] for r in worst)
    every = choose(records(), ["b", "a"], 40, seed=0)
    assert len({r["key"] for r in every}) == len(every) == 40
    assert {r["key"] for r in shown} <= {r["key"] for r in every}
    mine = [r["energy_skill"] for r in worst if r["target_class"] == "a"]
    assert mine == sorted(mine)


def test_where_there_is_no_room_the_last_classes_have_none():
    assert {r["target_class"] for r in choose(records(), ["b", "a"], 4, seed=0)} == {"b"}
    assert choose(records(), ["b", "a"], 0, seed=0) == []


def test_types_of_a_record():
    row = {"background_focused": True, "pointing_hit": False, "correct": False, "eligible": False}
    assert types_of(row) == ["background_focused", "off_object", "wrong", "not_judged"]
    unknown = {"background_focused": None, "pointing_hit": None, "correct": None, "eligible": True}
    assert types_of(unknown) == []


def test_a_record_keeps_its_address():
    row = dict.fromkeys(("file_name", "target_class", "method", "layer"), "x")
    assert key_of(row) == key_of(dict(row)) != key_of({**row, "layer": "y"})


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("class", "01", "01"),
        ("n", "3", 3.0),
        ("x", "", None),
        ("small", "True", True),
        ("p", "inf", None),
    ],
)
def test_cells_are_what_they_were(column, cell, value):
    assert typed(column, cell) == value


def test_confirmed_classes_are_the_most_urgent():
    def row(name, verdict, confirmation, rate):
        return {
            "class": name, "verdict": verdict, "confirmation": confirmation,
            "background_focused_rate": rate,
        }  # fmt: skip

    rows = [
        row("a", "pass", "not_run", 0.0), row("b", "flagged", "refuted", 0.9),
        row("__all__", "", "", None),
        row("c", "flagged", "confirmed", 0.5), row("d", "inconclusive", "mixed", None),
        row("e", "flagged", "confirmed", 0.6),
    ]  # fmt: skip
    assert [r["class"] for r in ranked(rows)] == ["e", "c", "b", "d", "a"]


def test_reasons_name_the_class_and_why():
    verdict = {
        "reasons": [], "warnings": [],
        "checks": [{"state": "warn", "sentence": "short", "limit": "verdict", "class_name": "a"}],
    }  # fmt: skip
    classes = [{"class": "a", "reason": "long.", "verdict": "inconclusive"}]
    assert three_reasons(verdict, classes) == ["a: long."]


def test_advice_depends_on_what_was_shown():
    said = {advice("flagged", s, {}) for s in ("confirmed", "refuted", "mixed", "heatmap_only")}
    assert len(said) == 4
    assert "another method" in advice("inconclusive", "not_run", {"fitness": "unfit"})
