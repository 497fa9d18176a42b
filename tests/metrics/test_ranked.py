"""Metrics of the pixels' order and of their means: check values, and loops that follow the papers."""

import cv2
import numpy as np
import pytest
from scipy.stats import rankdata
from slow_metrics import SlowScene

from audit.geometry import RESIZE_MODES, make_frame, tile, visible_window
from audit.metrics import MetricSettings, SceneInputs, score_record
from audit.metrics.auc import HIGHEST_STEP, twice_wins
from audit.metrics.ranking import STEPS, Ranking

NAMES = ("relevance_rank", "top_k_intersection", "auc", "inside_outside_ratio", "pixel_levels")


def score(heatmap, boxes, frame=None, ignored=(), **settings):
    heatmap = np.asarray(heatmap, np.float32)
    height, width = heatmap.shape
    frame = frame or make_frame(width, height, width, height, "stretch")
    boxes, ignored = (np.array(b, dtype=float).reshape(-1, 4) for b in (boxes, ignored))
    inputs = SceneInputs(heatmap, frame, boxes, ignored)
    return score_record(inputs, MetricSettings(metrics=NAMES, **settings))


# -- check values


def test_five_pixels():
    row = score([[0.9, 0.8, 0.7, 0.1, 0]], [[0, 0, 1, 1], [2, 0, 3, 1]], top_k=3)
    assert row["top_k_intersection"] == pytest.approx(2 / 3)
    assert row["relevance_rank"] == 0.5


def test_auc_of_five_pixels_with_a_tie():
    assert score([[0.9, 0.5, 0.5, 0.1, 0]], [[0, 0, 2, 1]])["auc"] == pytest.approx(11 / 12)


def test_a_square_that_fills_its_box():
    a = np.zeros((224, 224))
    a[50:150, 50:150] = 1
    row = score(a, [[50, 50, 150, 150]], top_k=40_000)
    assert row["top_k_intersection"] == 0.25 and row["relevance_rank"] == row["auc"] == 1
    assert row["inside_outside_ratio"] is None  # nothing outside: no bound


def test_ties_that_straddle_k_are_shared_out():
    # Two of four places left among eight equal pixels, of which M has two.
    a = np.zeros((2, 5))
    a[:, 0] = 1
    row = score(a, [[0, 0, 2, 2]], top_k=4)
    assert row["top_k_intersection"] == (2 + 2 * 2 / 8) / 4 == row["relevance_rank"]


def test_more_pixels_asked_for_than_there_are():
    assert score([[1, 0.5, 0]], [[0, 0, 1, 1]], top_k=4)["top_k_intersection"] is None


def test_ratio_of_means():
    row = score([[4.0, 2], [1, 1]], [[0, 0, 2, 1]])
    assert row["inside_outside_ratio"] == pytest.approx(3.0)


# -- the order of many pixels


def clumped(rng, n):
    """Values with ties, zeros, and many so near each other that they share a bucket."""
    near = np.float32(0.5) + rng.integers(0, 40, n).astype(np.float32) * np.float32(6e-8)
    return np.choose(
        rng.integers(0, 4, n),
        [near, rng.random(n, dtype=np.float32), rng.integers(0, 3, n) / np.float32(2), 0 * near],
    ).astype(np.float32)


def raster(rng, scale):
    """Values (20, 20), M and V as bool, and the tiling that they are of."""
    window = visible_window(make_frame(20, 20, 20, 20, "stretch"))
    boxes, ignored = np.array([[3.0, 2, 11, 9]]), np.array([[8.0, 6, 19, 14]])
    tiling = tile(window, boxes, ignored)
    inside, valid = tiling.raster(tiling.inside), tiling.raster(tiling.valid)
    values = clumped(rng, 400).reshape(20, 20) * np.float32(scale)
    return np.where(valid, values, np.float32(-1)), inside, valid, tiling


SCALES = pytest.mark.parametrize("scale", [1.0, 1e-9, 1e-40, 1e38])


@SCALES
@pytest.mark.parametrize("seed", range(5))
def test_wins_against_every_pair(seed, scale):
    values, inside, valid, _ = raster(np.random.default_rng(seed), scale)
    one, other = values[inside][:, None], values[valid & ~inside][None]
    expected = 2 * (one > other).sum() + (one == other).sum()
    assert twice_wins(values, inside, valid) == expected


@SCALES
@pytest.mark.parametrize("seed", range(5))
def test_highest_pixels_against_every_pair(seed, scale):
    values, inside, valid, tiling = raster(np.random.default_rng(seed), scale)
    ranking, values, inside = Ranking(values, tiling, valid), values[valid], inside[valid]
    higher = (values[:, None] < values[None]).sum(axis=1)
    equal = (values[:, None] == values[None]).sum(axis=1)
    for k in (1, 2, 57, inside.sum(), len(values) - 1, len(values)):
        chance = np.clip((k - higher) / equal, 0, 1)  # that a pixel is among the k, ties at random
        assert ranking.inside_among_top(int(k)) == pytest.approx(chance[inside].sum())


def test_values_of_one_step_are_still_told_apart():
    values = np.float32([[0, 1, 0.5, 0.5 + 6e-8]])
    assert len({int(v * HIGHEST_STEP) for v in values[0, 2:]}) == 1
    assert twice_wins(values, np.array([[False, False, False, True]])) == 4
    assert twice_wins(values, np.array([[False, False, True, False]])) == 2


def test_values_of_one_step_on_both_sides_of_two():
    """Where the highest bit of the number changes."""
    values = np.float32([[0, 5, np.nextafter(np.float32(2), np.float32(0)), 2]])
    assert twice_wins(values, np.array([[False, False, False, True]])) == 4
    assert twice_wins(values, np.array([[False, False, True, False]])) == 2


def test_photograph_to_the_stated_precision():
    rng = np.random.default_rng(0)
    values = cv2.resize(rng.random((7, 7), dtype=np.float32) ** 2, (800, 600))
    inside = np.zeros((600, 800), bool)
    inside[100:300, 200:500] = True
    ranks, n = rankdata(values), inside.sum()
    exact = (ranks.reshape(600, 800)[inside].sum() - n * (n + 1) / 2) / (n * (inside.size - n))
    found = twice_wins(values, inside) / (2 * n * (inside.size - n))
    assert abs(found - exact) < 1e-6


# -- whole records


def records(mode):
    rng = np.random.default_rng(len(mode))
    for _ in range(25):
        width, height = (int(v) for v in rng.integers(14, 40, 2))
        frame = make_frame(width, height, 20, 28, mode, 0.8)
        heatmap = np.maximum(rng.random(rng.integers(2, 6, 2)) - 0.2, 0).astype(np.float32)
        corner = rng.uniform(-0.1, 0.8, (3, 2)) * (width, height)
        boxes = np.concatenate((corner, corner + rng.uniform(4, 14, (3, 2))), axis=1)
        row = score(heatmap, boxes[:2], frame, boxes[2:], top_k=60)
        if row["status"] == "scored":
            yield row, SlowScene(heatmap, frame, boxes[:2].tolist(), boxes[2:].tolist())


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_records_pixel_by_pixel(mode):
    for row, slow in records(mode):
        values, marked = (np.array(v) for v in zip(*slow.pixels.values(), strict=True))
        values = np.float32(np.round(values, 6))  # what rounding makes of ties is no order
        n_in, n_out = marked.sum(), (~marked).sum()
        ranks = rankdata(values)
        expected = (ranks[marked].sum() - n_in * (n_in + 1) / 2) / (n_in * n_out)
        assert row["auc"] == pytest.approx(expected, abs=2e-3)
        order = np.argsort(-values, kind="stable")
        for name, k in (("relevance_rank", n_in), ("top_k_intersection", 60)):
            if k > len(values):
                assert row[name] is None
            elif k == len(values) or values[order[k - 1]] - values[order[k]] > 1e-5:  # no tie there
                assert row[name] == pytest.approx(marked[order[:k]].sum() / k)
        ratio = values[marked].mean() / values[~marked].mean()
        assert row["inside_outside_ratio"] == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_levels_count_every_pixel_once(mode):
    for row, slow in records(mode):
        values, marked = (np.array(v) for v in zip(*slow.pixels.values(), strict=True))
        edges = values.min() + np.arange(STEPS) / STEPS * np.ptp(values)
        for name, of in (("levels_inside", marked), ("levels_outside", ~marked)):
            assert row[name].sum() == pytest.approx(of.mean(), abs=1e-6)
            at_least = np.array([(values[of] >= e - 1e-6).sum() for e in edges])
            surely = np.array([(values[of] >= e + 1e-6).sum() for e in edges])
            found = np.round(row[name][::-1].cumsum()[::-1] * len(values))
            assert ((surely <= found) & (found <= at_least)).all()
