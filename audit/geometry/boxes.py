"""Boxes one by one and as (n, 4) arrays: clipping, pixels, distance, overlap."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from audit.errors import AuditError
from audit.records import Box

# Points times boxes that are compared at once: bounds the memory of an image with 10,000 boxes.
CHUNK = 1 << 20


def box_array(boxes: Iterable[Box] | np.ndarray) -> np.ndarray:
    """Boxes as (n, 4) float64, xyxy; an array of that shape is taken as it is.

    Raises
    ------
    AuditError: a coordinate is not finite.
    """
    if isinstance(boxes, np.ndarray):
        array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    else:
        rows = [(b.x0, b.y0, b.x1, b.y1) for b in boxes]
        array = np.array(rows, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array).all(axis=1)][0].tolist()
        raise AuditError("box is not finite", expected="four finite numbers", received=bad)
    return array


def clip_box(box: Box, bounds: Box) -> Box | None:
    """The part of ``box`` inside ``bounds``; None where no area is left."""
    x0, y0 = max(box.x0, bounds.x0), max(box.y0, bounds.y0)
    x1, y1 = min(box.x1, bounds.x1), min(box.y1, bounds.y1)
    return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def clip_boxes(boxes: np.ndarray, bounds: Box) -> np.ndarray:
    """:func:`clip_box` on (n, 4) boxes; those without area are left out, the order is kept."""
    if not len(boxes):
        return boxes
    low = np.maximum(boxes[:, :2], (bounds.x0, bounds.y0))
    high = np.minimum(boxes[:, 2:], (bounds.x1, bounds.y1))
    keep = (high > low).all(axis=1)
    return np.concatenate((low, high), axis=1)[keep]


def pixel_ranges(boxes: np.ndarray) -> np.ndarray:
    """Half-open ranges of the pixels whose centres lie in each box.

    Returns (n, 4) int64: first column, first row, end column, end row. ``x0 <= column + .5 < x1``
    is ``ceil(x0 - .5) <= column < ceil(x1 - .5)``. A box narrower than a pixel may hold none: then
    the end is not above the first.
    """
    return np.ceil(boxes - 0.5).astype(np.int64)


def point_box_distance(x: float, y: float, box: Box) -> float:
    """Euclidean distance in pixels from a point to a box, 0 inside it and on its edge."""
    dx = max(box.x0 - x, x - box.x1, 0.0)
    dy = max(box.y0 - y, y - box.y1, 0.0)
    return float(np.hypot(dx, dy))


def nearest_distance(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Distance from each of (k, 2) points to the nearest of (n, 4) closed boxes; inf for none."""
    best = np.full(len(points), np.inf)
    step = max(1, CHUNK // max(1, len(points)))
    x, y = points.T
    for start in range(0, len(boxes), step):
        x0, y0, x1, y1 = boxes[start : start + step].T[:, :, None]
        dx = np.maximum(np.maximum(x0 - x, x - x1), 0.0)
        dy = np.maximum(np.maximum(y0 - y, y - y1), 0.0)
        np.minimum(best, (dx * dx + dy * dy).min(axis=0), out=best)
    return np.sqrt(best)


def inside_any(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether each of (k, 2) points lies in any of (n, 4) half-open boxes; (k,) bool."""
    found = np.zeros(len(points), dtype=bool)
    step = max(1, CHUNK // max(1, len(points)))
    x, y = points[:, :1], points[:, 1:]
    for start in range(0, len(boxes), step):
        x0, y0, x1, y1 = boxes[start : start + step].T
        found |= ((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).any(axis=1)
    return found


def box_ious(first: np.ndarray, second: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Intersection over union of (k, 4) with (n, 4) boxes, as (k, n) float64.

    ``extra`` is added to every width and height: 0 for half-open boxes; 1 for boxes that name their
    last pixel, as wsolevaluation counts (Choe et al. 2020). Two boxes without area have IoU 0.
    """
    wide = np.minimum(first[:, None, 2], second[:, 2]) - np.maximum(first[:, None, 0], second[:, 0])
    high = np.minimum(first[:, None, 3], second[:, 3]) - np.maximum(first[:, None, 1], second[:, 1])
    shared = np.maximum(wide + extra, 0.0) * np.maximum(high + extra, 0.0)
    union = _areas(first, extra)[:, None] + _areas(second, extra) - shared
    return shared / np.where(union > 0, union, 1.0)


def _areas(boxes: np.ndarray, extra: float) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)
