"""Masks and tilings against pixel loops and pycocotools."""

import time

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from audit.geometry import Window, box_mask, dilated_counts, tile
from audit.geometry import masks as masks_module

WINDOW = Window(3, 20, 2, 30)


def slow_mask(boxes, window):
    raster = np.zeros((window.rows, window.cols), dtype=np.uint8)
    for row in range(window.rows):
        for col in range(window.cols):
            x, y = col + window.col0 + 0.5, row + window.row0 + 0.5
            raster[row, col] = any(a <= x < c and b <= y < d for a, b, c, d in boxes)
    return raster


def some_boxes(rng, n):
    corner = np.round(rng.uniform(-6, 30, (n, 2)) * 4) / 4
    return np.concatenate((corner, corner + rng.uniform(0.1, 14, (n, 2))), axis=1)


@pytest.fixture(params=[0, 16], ids=["difference image", "one by one"])
def few(request, monkeypatch):
    """Both ways to paint boxes, on the same boxes."""
    monkeypatch.setattr(masks_module, "FEW_BOXES", request.param)


def test_mask_of_boxes_is_the_pixel_loops(few):
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 5):
        for _ in range(8):
            boxes = some_boxes(rng, n)
            np.testing.assert_array_equal(box_mask(boxes, WINDOW), slow_mask(boxes, WINDOW))


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools
def test_mask_of_whole_boxes_is_what_pycocotools_rasterises():
    rng = np.random.default_rng(1)
    window = Window(0, 24, 0, 31)
    for _ in range(30):
        corner = rng.integers(0, 20, (3, 2)).astype(float)
        boxes = np.concatenate((corner, corner + rng.integers(1, 12, (3, 2))), axis=1)
        xywh = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
        encoded = coco_mask.merge(coco_mask.frPyObjects(xywh, 24, 31))
        np.testing.assert_array_equal(box_mask(boxes, window), coco_mask.decode(encoded))


def test_pycocotools_run_lengths_are_the_published_ones():
    raster = np.array([[0, 0, 1, 1, 1, 0, 1]], dtype=np.uint8).T
    encoded = coco_mask.encode(np.asfortranarray(raster))
    runs = coco_mask.frPyObjects({"size": [7, 1], "counts": [2, 3, 1, 1]}, 7, 1)
    assert encoded["counts"] == runs["counts"]


def test_tiling_counts_and_rasters_are_the_pixel_loops(few):
    rng = np.random.default_rng(2)
    for n, m in ((0, 0), (1, 0), (1, 2), (3, 2), (4, 0), (0, 2)):
        for _ in range(5):
            boxes, ignored = some_boxes(rng, n), some_boxes(rng, m)
            tiling = tile(WINDOW, boxes, ignored)
            inside = slow_mask(boxes, WINDOW) > 0
            valid = inside | (slow_mask(ignored, WINDOW) == 0)
            np.testing.assert_array_equal(tiling.raster(tiling.inside), inside)
            np.testing.assert_array_equal(tiling.raster(tiling.valid), valid)
            assert tiling.count(tiling.inside) == inside.sum()
            assert tiling.count(tiling.valid) == valid.sum()


def test_a_reference_box_wins_over_an_ignored_region():
    box = np.array([[5.0, 5, 8, 8]])
    tiling = tile(WINDOW, box, np.array([[4.0, 4, 10, 10]]))
    assert tiling.count(tiling.inside) == 9
    assert tiling.count(tiling.valid) == 17 * 28 - 36 + 9


def test_dilated_counts_are_the_pixel_loops(few):
    rng = np.random.default_rng(3)
    tolerances = (0.0, 2.5, 5.0, 100.0)
    for n, m in ((1, 0), (3, 0), (2, 2), (1, 3)):
        for _ in range(4):
            boxes, ignored = some_boxes(rng, n), some_boxes(rng, m)
            tiling = tile(WINDOW, boxes, ignored)
            expected = np.zeros(len(tolerances), dtype=int)
            for row, col in zip(*np.nonzero(tiling.raster(tiling.valid)), strict=True):
                x, y = col + WINDOW.col0 + 0.5, row + WINDOW.row0 + 0.5
                gaps = [
                    max(a - x, x - c, 0) ** 2 + max(b - y, y - d, 0) ** 2 for a, b, c, d in boxes
                ]
                expected += min(gaps) <= np.square(tolerances)
            assert dilated_counts(tiling, boxes, tolerances) == expected.tolist()


def test_dilation_is_inclusive_and_round():
    tiling = tile(Window(0, 60, 0, 60), np.array([[20.5, 20.5, 40.5, 40.5]]), np.zeros((0, 4)))
    box = np.array([[20.5, 20.5, 40.5, 40.5]])
    # 21 x 21 centres in the closed box, 4 sides of 5 x 21, and quarter discs of lattice points.
    quarter = sum(1 for x in range(1, 6) for y in range(1, 6) if x * x + y * y <= 25)
    assert dilated_counts(tiling, box, [5.0]) == [21 * 21 + 4 * 5 * 21 + 4 * quarter]


def test_ten_thousand_boxes_take_no_long_time():
    rng = np.random.default_rng(4)
    corner = rng.uniform(0, (480, 350), (10_000, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(1, 20, (10_000, 2))), axis=1)
    window = Window(0, 375, 0, 500)
    start = time.perf_counter()
    tiling = tile(window, boxes, np.zeros((0, 4)))
    mask = box_mask(boxes, window)
    assert dilated_counts(tiling, boxes, [15.0])[0] >= mask.sum() == tiling.count(tiling.inside)
    assert time.perf_counter() - start < 5  # measured: .1 s; a loop over rasters takes minutes
