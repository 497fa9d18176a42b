"""Boxes: pixels, clipping, distance, overlap; against loops and pycocotools."""

import math

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from audit.errors import AuditError
from audit.geometry import (
    box_array,
    box_ious,
    clip_box,
    clip_boxes,
    inside_any,
    nearest_distance,
    pixel_ranges,
    point_box_distance,
)
from audit.geometry import boxes as boxes_module
from audit.records import Box


def random_boxes(rng, n, high=20.0):
    corner = rng.uniform(-3, high, (n, 2))
    return np.concatenate((corner, corner + rng.uniform(0, 9, (n, 2))), axis=1)


def test_box_array_takes_both_forms_and_refuses_what_is_not_finite():
    assert box_array([Box(1, 2, 3, 4)]).tolist() == [[1, 2, 3, 4]]
    assert box_array([]).shape == (0, 4)
    given = np.array([[1.0, 2, 3, 4]])
    assert box_array(given).base is given
    with pytest.raises(AuditError, match="not finite.*nan"):
        box_array([Box(1, 2, float("nan"), 4)])


def test_pixel_ranges_follow_the_half_open_rule():
    rng = np.random.default_rng(0)
    # Quarter pixels, so that centres fall exactly on edges.
    boxes = np.round(random_boxes(rng, 300) * 4) / 4
    for (x0, y0, x1, y1), found in zip(boxes, pixel_ranges(boxes), strict=True):
        cols = [c for c in range(-5, 40) if x0 <= c + 0.5 < x1]
        rows = [r for r in range(-5, 40) if y0 <= r + 0.5 < y1]
        assert list(range(found[0], found[2])) == cols
        assert list(range(found[1], found[3])) == rows


def test_clipping_one_and_many_agree_and_drop_what_has_no_area():
    rng = np.random.default_rng(1)
    bounds = Box(0, 0, 12, 8)
    boxes = random_boxes(rng, 200)
    one_by_one = [clip_box(Box(*b), bounds) for b in boxes.tolist()]
    kept = [(b.x0, b.y0, b.x1, b.y1) for b in one_by_one if b]
    assert clip_boxes(boxes, bounds).tolist() == [list(b) for b in kept]
    assert 0 < len(kept) < 200
    assert clip_box(Box(12, 0, 20, 8), bounds) is None
    assert clip_boxes(np.zeros((0, 4)), bounds).shape == (0, 4)


def test_distance_is_zero_inside_and_on_the_edge_and_straight_outside():
    box = Box(10, 20, 30, 25)
    assert point_box_distance(15, 22, box) == 0
    assert point_box_distance(30, 25, box) == 0
    assert point_box_distance(34, 28, box) == 5
    assert point_box_distance(9, 22, box) == 1


def test_nearest_distance_is_the_least_of_all(monkeypatch):
    rng = np.random.default_rng(2)
    points, boxes = rng.uniform(-5, 25, (40, 2)), random_boxes(rng, 15)
    expected = [min(point_box_distance(x, y, Box(*b)) for b in boxes) for x, y in points]
    np.testing.assert_allclose(nearest_distance(points, boxes), expected)
    inside = [any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in boxes) for x, y in points]
    assert inside_any(points, boxes).tolist() == inside
    monkeypatch.setattr(boxes_module, "CHUNK", 100)  # several rounds
    np.testing.assert_allclose(nearest_distance(points, boxes), expected)
    assert inside_any(points, boxes).tolist() == inside
    assert np.isinf(nearest_distance(points, boxes[:0])).all()


def test_box_ious_agree_with_pycocotools():
    rng = np.random.default_rng(3)
    first, second = random_boxes(rng, 30), random_boxes(rng, 20)

    def xywh(boxes):
        return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)

    expected = coco_mask.iou(xywh(first), xywh(second), [0] * 20)
    np.testing.assert_allclose(box_ious(first, second), expected, atol=1e-12)


def test_box_iou_with_wsolevaluations_extra_pixel():
    found = box_ious(np.array([[1.0, 2, 5, 6]]), np.array([[3.0, 1, 4, 5]]), extra=1.0)
    assert math.isclose(found[0, 0], 8 / 27)


def test_boxes_without_area_share_nothing():
    assert box_ious(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]
