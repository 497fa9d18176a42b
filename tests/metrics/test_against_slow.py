"""Every metric against pixel loops, on random small records of every kind."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from slow_metrics import SlowScene

from audit.geometry import RESIZE_MODES, make_frame
from audit.heatmaps import component_boxes
from audit.metrics import MetricSettings, Scene, SceneInputs, energies, pointing_hits, score_record
from audit.records import Box

SWEEP = (0.0, 0.1, 0.35, 0.6, 0.9)
SETTINGS = MetricSettings(tolerance=2.0, sweep=SWEEP)


def random_boxes(rng, n, width, height):
    corner = rng.uniform(-0.1, 0.8, (n, 2)) * (width, height)
    size = rng.uniform(0.08, 0.45, (n, 2)) * (width, height)
    # Quarters of pixels: some edges fall on the pixels' centres.
    return np.round(np.concatenate((corner, corner + size), axis=1) * 4) / 4


def records(mode, count):
    """(inputs, slow scene) pairs of scored records; boxes, ignored regions and shapes vary."""
    rng = np.random.default_rng(sum(map(ord, mode)))
    made = 0
    while made < count:
        width, height = (int(v) for v in rng.integers(12, 44, 2))
        frame = make_frame(width, height, 20, 28, mode, 0.8)
        shape = tuple(rng.integers(2, 6, 2))
        heatmap = rng.random(shape, dtype=np.float32) ** 2
        boxes = random_boxes(rng, rng.integers(1, 4), width, height)
        ignored = random_boxes(rng, rng.integers(0, 3), width, height)
        inputs = SceneInputs(heatmap, frame, boxes, ignored)
        if Scene(inputs, SETTINGS).reason is None:
            made += 1
            yield inputs, SlowScene(heatmap, frame, boxes.tolist(), ignored.tolist())


@pytest.fixture(scope="module", params=RESIZE_MODES)
def pairs(request):
    return list(records(request.param, 40))


@pytest.fixture
def scored(pairs):
    """(row, slow scene) pairs; scored in each test, so that each sees what it tests."""
    return [(score_record(inputs, SETTINGS), slow) for inputs, slow in pairs]


def compare(row, expected):
    for name, value in expected.items():
        if value is None:
            assert row[name] is None, name
        else:
            assert row[name] is not None, name
            np.testing.assert_allclose(row[name], value, rtol=1e-6, atol=2e-6, err_msg=name)


def test_area(scored):
    for row, slow in scored:
        compare(row, slow.area())


def test_pointing_game(scored):
    for row, slow in scored:
        compare(row, slow.pointing(2.0))
        assert type(row["pointing_hit"]) in (bool, type(None))


def test_energy(scored):
    for row, slow in scored:
        compare(row, slow.energy())


def test_mask_iou(scored):
    compared = 0
    for row, slow in scored:
        found = [row["mask_iou"], *row["mask_iou_sweep"]]
        for t, value in zip((0.15, *SWEEP), found, strict=True):
            if not slow.mask(t)[1]:
                compared += 1
                assert value == pytest.approx(slow.mask_iou(t))
    assert compared > 4 * len(scored)


def test_mask_iou_is_what_pycocotools_says(scored):
    for row, slow in scored:
        shape = (slow.frame.height, slow.frame.width)
        rasters = np.zeros((2, *shape), dtype=np.uint8)
        for pixel, (_, marked) in slow.pixels.items():
            rasters[0][pixel] = marked
        for pixel in slow.mask(0.35)[0]:
            rasters[1][pixel] = 1
        reference, found = (coco_mask.encode(np.asfortranarray(r)) for r in rasters)
        expected = coco_mask.iou([found], [reference], [0])[0, 0]
        if not slow.mask(0.35)[1]:
            assert row["mask_iou_sweep"][2] == pytest.approx(expected)


def test_box_iou(scored):
    compared = 0
    for row, slow in scored:
        found = [row["box_iou"], *row["box_iou_sweep"]]
        for t, value in zip((0.15, *SWEEP), found, strict=True):
            if not slow.mask(t)[1] and slow.box(t) is not None:
                compared += 1
                assert value == pytest.approx(slow.box_iou(t))
        if not slow.mask(0.15)[1] and slow.box(0.15) is not None:
            assert tuple(row["heatmap_box"]) == slow.box(0.15)
        assert row["localisation_correct"] == (row["box_iou"] >= 0.5)
    assert compared > 4 * len(scored)


def test_other_maps_on_stored_weights(scored):
    rng = np.random.default_rng(5)
    for row, slow in scored:
        maps = rng.random((3, slow.h, slow.w), dtype=np.float32)
        found = energies(maps.reshape(3, -1), row["weights_inside"], row["weights_view"])
        for a, value in zip(maps, found, strict=True):
            expected = (a * slow.weight_inside).sum() / (a * slow.weight_view).sum()
            assert value == pytest.approx(expected, rel=1e-5)


def test_other_points_on_a_records_boxes(scored):
    rng = np.random.default_rng(6)
    for _, slow in scored:
        uv, view = rng.random((20, 2)), slow.frame.view
        boxes, ignored = np.array(slow.boxes), np.array(slow.ignored).reshape(-1, 4)
        found = pointing_hits(slow.frame, boxes, ignored, uv, 2.0)
        points = [(view.x0 + u * view.width, view.y0 + v * view.height) for u, v in uv]
        expected = [slow.hit(x, y, 2.0) for x, y in points]
        assert [None if np.isnan(f) else bool(f) for f in found] == expected


@pytest.mark.parametrize("seed", range(4))
def test_boxes_by_summits_are_those_by_borders(seed):
    """Knowing the map's local maxima saves walking borders, and changes no box."""
    rng = np.random.default_rng([3, seed])
    for _ in range(60):
        cells, coarse = int(rng.integers(4, 15)), int(rng.integers(2, 8))
        heatmap = cv2.resize(rng.random((coarse, coarse)).astype(np.float32), (cells, cells))
        heatmap = np.maximum(heatmap - rng.uniform(0, 0.5), 0).astype(np.float32)
        frame = make_frame(*rng.integers(120, 500, 2).tolist(), 224, 224, "stretch")
        scene = Scene(SceneInputs(heatmap, frame, [Box(5, 5, 60, 60)]), MetricSettings())
        if scene.reason is None:
            sets, _ = scene.levels
            quick = component_boxes(sets, scene.highest_pixel, scene.summits)
            assert (quick == component_boxes(sets, scene.highest_pixel)).all()
