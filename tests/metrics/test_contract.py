"""What every registered metric must meet: the columns it declares, and the cases of metrics.md."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from audit.errors import AuditError
from audit.geometry import make_frame
from audit.heatmaps import Threshold
from audit.metrics import (
    METRICS,
    REASONS,
    MetricSettings,
    Scene,
    SceneInputs,
    base,
    columns_of,
    score_record,
)
from audit.metrics.base import COLUMN_DTYPES, Column, Metric
from audit.records import Box
from audit.registry import Registry

NAMES = METRICS.names()
SWEEP = (0.2, 0.5)
STRIP = make_frame(30, 120, 32, 32, "letterbox")
PORTRAIT = make_frame(60, 120, 32, 32, "letterbox")
STRETCH = make_frame(80, 60, 32, 32, "stretch")
CROP = make_frame(80, 60, 32, 32, "center_crop")


def blob(row, col, shape=(4, 5), base=0.01):
    a = np.full(shape, base, dtype=np.float32)
    a[row, col] = 1
    return a


class Case(NamedTuple):
    heatmap: np.ndarray
    frame: object
    boxes: list
    ignored: list
    reason: str | None


BOX = [[10.0, 30, 30, 50]]
RANDOM = np.random.default_rng(0).random((4, 5)).astype(np.float32)
CASES = {
    "off-diagonal box": Case(blob(3, 0), STRETCH, BOX, [], None),
    "several boxes": Case(RANDOM, STRETCH, [*BOX, [50, 5, 70, 20]], [], None),
    "box in an ignored region": Case(RANDOM, STRETCH, BOX, [[0, 20, 40, 60]], None),
    "letterboxed portrait": Case(blob(2, 2), PORTRAIT, [[5, 60, 40, 110]], [], None),
    "maximum in padding": Case(blob(1, 0), PORTRAIT, [[5, 60, 40, 110]], [], None),
    "all energy in padding": Case(blob(1, 0, base=0), STRIP, [[5, 60, 20, 110]], [], None),
    "one-pixel box": Case(RANDOM, STRETCH, [[10, 10, 11, 11]], [], None),
    "one-pixel blob": Case(blob(7, 2, (60, 80)), STRETCH, BOX, [], None),
    "box cut by the crop": Case(RANDOM, CROP, [[0, 10, 30, 40]], [], None),
    "tie": Case(np.float32([[1, 0, 1], [0, 0, 1]]), STRETCH, BOX, [], None),
    "tiny map": Case(RANDOM * np.float32(1e-18), STRETCH, BOX, [], None),
    "no box": Case(RANDOM, STRETCH, [], [], "no_box"),
    "crowd only": Case(RANDOM, STRETCH, [], BOX, "only_ignored"),
    "boxes that fill the image": Case(RANDOM, STRETCH, [[0, 0, 80, 60]], [], "boxes_fill_view"),
    "boxes and crowd that fill it": Case(
        RANDOM, STRETCH, [[0, 0, 40, 60]], [[40, 0, 80, 60]], "boxes_fill_view"
    ),
    "boxes that fill the crop": Case(RANDOM, CROP, [[5, 0, 75, 60]], [], "boxes_fill_view"),
    "constant map": Case(np.full((4, 5), 0.3, np.float32), STRETCH, BOX, [], "flat_map"),
    "map of zeros": Case(np.zeros((4, 5), np.float32), STRETCH, BOX, [], "flat_map"),
    "one cell": Case(np.ones((1, 1), np.float32), STRETCH, BOX, [], "flat_map"),
    "negative map": Case(RANDOM - 0.5, STRETCH, BOX, [], "negative_map"),
    "NaN map": Case(np.where(RANDOM > 0.5, np.nan, RANDOM), STRETCH, BOX, [], "non_finite_map"),
    "infinite map": Case(RANDOM * np.inf, STRETCH, BOX, [], "non_finite_map"),
    "box outside the crop": Case(RANDOM, CROP, [[0, 0, 9, 60]], [], "box_outside_view"),
    "box outside the image": Case(RANDOM, STRETCH, [[90, 0, 99, 9]], [], "box_outside_view"),
    "box between centres": Case(RANDOM, STRETCH, [[1.6, 3, 2.4, 9]], [], "box_without_pixel"),
}


def score(case, names, **more):
    settings = MetricSettings(metrics=names, sweep=SWEEP, **more)
    boxes, ignored = (np.array(b, dtype=float).reshape(-1, 4) for b in case[2:4])
    heatmap = case.heatmap.astype(np.float32)
    return score_record(SceneInputs(heatmap, case.frame, boxes, ignored), settings)


@pytest.fixture(autouse=True)
def _no_warnings():
    with np.errstate(all="raise", under="ignore"):
        yield


def check_column(column, value, cells):
    if column.shape:
        assert isinstance(value, np.ndarray) and value.dtype == np.dtype(column.dtype)
        n = {"cells": cells, "sweep": len(SWEEP), "xyxy": 4, "boxes": 4 * len(SWEEP), "levels": 100}
        assert value.shape == (n[column.shape],)
        assert np.isfinite(value).all()
    else:
        kind = {"bool": bool, "float64": float, "float32": float, "str": str}[column.dtype]
        assert type(value) is kind, (column.name, value)
        assert kind is not float or np.isfinite(value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_own_cases(name, case):
    row = score(case, (name,))
    assert row["reason"] == case.reason
    assert row["status"] == ("unscored" if case.reason else "scored")
    columns = METRICS.get(name).columns
    assert list(row) == ["status", "reason", *(c.name for c in columns)]
    for column in columns:
        if case.reason:
            assert row[column.name] is None
        elif row[column.name] is not None:
            check_column(column, row[column.name], case.heatmap.size)


@pytest.mark.parametrize("name", NAMES)
def test_something_is_observed_in_the_plain_case(name):
    row = score(CASES["off-diagonal box"], (name,))
    missing = [key for key, value in row.items() if value is None and key != "reason"]
    assert not missing


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"area", "energy_in_box", "pointing_game"}))
def test_nothing_is_observed_where_no_energy_is_in_view(name):
    row = score(CASES["all energy in padding"], (name,))
    missed = {"pointing_hit_torchray": False}  # which is a miss
    assert all(row[c.name] is missed.get(c.name) for c in METRICS.get(name).columns)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["otsu", "percentile"])
def test_other_thresholds(name, kind):
    threshold = Threshold(kind, 80.0) if kind == "percentile" else Threshold(kind)
    for case in CASES.values():
        assert score(case, (name,), threshold=threshold)["reason"] == case.reason


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_given_is_changed(name):
    for case in CASES.values():
        kept = case.heatmap.copy()
        first, second = score(case, (name,)), score(case, (name,))
        np.testing.assert_array_equal(case.heatmap, kept)
        for key, value in first.items():
            np.testing.assert_array_equal(value, second[key])


@pytest.mark.parametrize("name", NAMES)
def test_metrics_say_what_they_are(name):
    entry = METRICS.get(name)
    assert entry.summary.endswith(".") and len(entry.summary) <= 90 and "\n" not in entry.summary
    assert entry.citation
    assert entry.columns
    for column in entry.columns:
        assert column.dtype in COLUMN_DTYPES and column.description
        assert column.shape in ("", "cells", "sweep", "xyxy", "boxes", "levels")


def test_a_metric_is_registered_as_it_says(monkeypatch):
    monkeypatch.setattr(base, "METRICS", Registry("metric"))
    columns = (Column("a", "float64", "one number"),)
    for name, chosen in (("plain", {}), ("rare", {"default": False})):
        given = base.metric(name, summary="S.", citation="C", columns=columns, **chosen)(dict)
        expected = Metric(name, "S.", "C", columns, chosen.get("default", True), dict)
        assert given is dict and base.METRICS.get(name) == expected


def test_columns_are_named_once():
    columns = [column.name for _, entry in METRICS.items() for column in entry.columns]
    assert len(columns) == len(set(columns))
    assert not {"status", "reason"} & set(columns)


def test_every_reason_is_met_by_a_case():
    assert {case.reason for case in CASES.values()} == {None, *REASONS}


def test_the_default_set_is_scored_when_none_is_named():
    settings = MetricSettings()
    assert "pointing_game" in [m.name for m in settings.chosen]
    assert "box_iou_wsol" not in [m.name for m in settings.chosen]
    row = score(CASES["off-diagonal box"], None)
    assert list(row)[2:] == [column.name for column in columns_of(settings)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"metrics": ("pointing_gmae",)},
            "metrics: unknown metric 'pointing_gmae'; did you mean 'pointing_game'?",
        ),
        ({"tolerance": -1.0}, "bad tolerance; expected pixels >= 0, received -1.0"),
        ({"tolerance": float("inf")}, "bad tolerance; expected pixels >= 0, received inf"),
        ({"sweep": (0.5, 1.2)}, "bad sweep; expected fractions 0 to 1, received (0.5, 1.2)"),
        ({"sweep": (-0.1,)}, "bad sweep; expected fractions 0 to 1, received (-0.1,)"),
        (
            {"sweep": (0.5,) * 10_001},
            "bad sweep; expected at most 10000 thresholds, received 10001",
        ),
        ({"min_headroom": 0.0}, "bad min_headroom; expected 0 to 1, received 0.0"),
        ({"min_headroom": 1.5}, "bad min_headroom; expected 0 to 1, received 1.5"),
        ({"top_k": 0}, "bad top_k; expected at least 1 pixel, received 0"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(AuditError) as raised:
        MetricSettings(**arguments)
    assert str(raised.value) == message


def test_settings_on_their_limits_are_taken():
    MetricSettings(tolerance=0.0, sweep=(0.0, 1.0), min_headroom=1.0, top_k=1)
    MetricSettings(sweep=(0.5,) * 10_000)


def test_a_metric_named_twice_is_taken_once_and_in_the_order_named():
    settings = MetricSettings(metrics=("auc", "area", "auc"))
    assert [chosen.name for chosen in settings.chosen] == ["auc", "area"]


def test_a_frame_that_shows_nothing_of_the_image_is_unscored():
    beyond = replace(STRETCH, view=Box(90, 0, 150, 60))
    scene = Scene(SceneInputs(RANDOM, beyond, np.array(BOX), np.array(BOX)), MetricSettings())
    assert scene.reason == "box_outside_view"
    assert scene.boxes.shape == scene.ignored.shape == (0, 4)


def test_a_heatmap_that_is_no_map_is_a_bug():
    for shape in ((4,), (0, 4)):
        with pytest.raises(ValueError, match="^Expected a heatmap .*, but got "):
            score_record(SceneInputs(np.zeros(shape, np.float32), STRETCH, []), MetricSettings())
