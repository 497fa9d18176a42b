"""Largest components by border walks, against labels of scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
from skimage.measure import label, regionprops

from audit.heatmaps import SuperlevelSets, component_boxes, components, largest_component


def masks(count, seed):
    """Random masks: noise of every density, smooth blobs, and rings within rings."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        shape = tuple(rng.integers(1, 26, 2))
        noise = rng.random(shape)
        if index % 3 == 0:
            noise = cv2.GaussianBlur(noise, (0, 0), 1.2)
        cut = np.quantile(noise, rng.uniform(0.02, 0.98))
        mask = noise >= cut
        if index % 7 == 0:
            mask ^= np.indices(shape).max(axis=0) % 4 < 2
        if mask.any():
            yield np.ascontiguousarray(mask)


def slow_largest(mask, peak):
    """By scikit-image's labels, which are in raster order."""
    regions = regionprops(label(mask, connectivity=2))
    most = max(int(r.area) for r in regions)
    tied = [r for r in regions if r.area == most]
    holding = [r for r in tied if peak is not None and list(peak) in r.coords.tolist()]
    row0, col0, row1, col1 = (holding or tied)[0].bbox
    return (col0, row0, col1, row1)


def test_the_largest_component_is_that_of_the_labels():
    rng = np.random.default_rng(0)
    for mask in masks(2500, 1):
        rows, cols = np.nonzero(mask)
        pick = rng.integers(len(rows))
        peak = (int(rows[pick]), int(cols[pick]))
        assert largest_component(mask, peak) == slow_largest(mask, peak)


def test_pixel_counts_are_those_of_the_labels():
    for mask in masks(6000, 2):
        pixels = mask.view(np.uint8)
        borders, links = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        found = components._pixel_counts(borders, links.reshape(-1, 4).tolist())
        _, _, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
        assert sorted(c for c in found if c) == sorted(stats[1:, cv2.CC_STAT_AREA].tolist())


def test_walks_and_labels_agree(monkeypatch):
    some = list(masks(300, 3))
    walked = [largest_component(mask) for mask in some]
    monkeypatch.setattr(components, "MANY_BORDERS", 1)
    assert [largest_component(mask) for mask in some] == walked


def test_ties_go_to_the_peak_and_else_to_the_first_in_raster_order():
    mask = np.zeros((9, 9), dtype=bool)
    mask[6:8, 0:2] = mask[2:4, 6:8] = mask[0, 3] = True
    assert largest_component(mask) == (6, 2, 8, 4)
    assert largest_component(mask, (7, 1)) == (0, 6, 2, 8)
    assert largest_component(mask, (0, 3)) == (6, 2, 8, 4)


def test_a_tied_island_in_a_ring_is_told_from_the_ring():
    mask = np.zeros((10, 10), dtype=bool)
    mask[0:7, 0:7] = True
    mask[1:6, 1:6] = False  # a ring of 24 pixels
    mask[3, 3] = True  # an island in it
    mask[8:10, 0:10] = True  # 20 pixels below
    mask[7, 8:10] = mask[6, 8:10] = True  # and 4 more: tied with the ring
    assert largest_component(mask, (3, 3)) == (0, 0, 7, 7)
    assert largest_component(mask, (9, 0)) == (0, 6, 10, 10)


def test_one_pixel_and_nothing():
    mask = np.zeros((4, 5), dtype=bool)
    with pytest.raises(ValueError, match="empty"):
        largest_component(mask)
    mask[2, 3] = True
    assert largest_component(mask) == (3, 2, 4, 3)


def test_boxes_are_told_in_the_rasters_pixels():
    values = np.zeros((10, 20), np.float32)
    values[4:6, 5:8] = 1
    sets = SuperlevelSets(values, np.array([0.5], np.float32), np.array([False]))
    assert component_boxes(sets, 4 * 20 + 5).tolist() == [[5, 4, 8, 6]]
    assert component_boxes(sets, 4 * 20 + 5, np.ones(1, np.float32)).tolist() == [[5, 4, 8, 6]]


def test_a_summit_that_rises_parts_the_mask():
    """Two hills and a pass: apart between the lower hill's top and the pass, joined below it."""
    values = np.array([[9, 4, 6, 1]], np.float32)
    sets = SuperlevelSets(values, np.array([1, 3, 5, 7], np.float32), np.zeros(4, bool))
    boxes = component_boxes(sets, 0, np.array([9, 6], np.float32))
    assert boxes[:, 2].tolist() == [4, 3, 1, 1]
