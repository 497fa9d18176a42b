"""IoU of the thresholded heatmap with the union of the reference boxes, pixel by pixel.

Sources: Selvaraju et al. 2017 (Grad-CAM, t = .15); Zhou et al. 2016 (CAM, t = .20).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from audit.geometry import pixel_ranges
from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene


@metric(
    "mask_iou",
    summary="IoU of {A >= t max(A)} with the union of the boxes, at one threshold and a sweep.",
    citation="Selvaraju et al. 2017, Grad-CAM; Zhou et al. 2016, CAM",
    columns=(
        Column("threshold", "float64", "the configured threshold on this map, fraction of max(A)"),
        Column("mask_iou", "float64", "IoU at the configured threshold"),
        Column("mask_iou_sweep", "float64", "IoU at each threshold of the sweep", "sweep"),
    ),
)
def mask_iou(scene: Scene) -> dict[str, Any]:
    """A and max(A) over V. Empty where A is 0 all over V: then no threshold means anything."""
    if scene.levels is None:
        return {"threshold": None, "mask_iou": None, "mask_iou_sweep": None}
    sets, places = scene.levels
    inside = _inside(scene)
    pairs = [(_size(m), _shared(m, row, col, inside)) for m, row, col in sets]
    size, shared = np.array(pairs, dtype=np.float64).T
    ious = (shared / (size + scene.n_inside - shared))[places]
    return {
        "threshold": float(scene.threshold),
        "mask_iou": float(ious[0]),
        "mask_iou_sweep": ious[1:],
    }


def _size(mask: np.ndarray) -> int:
    return cv2.countNonZero(mask.view(np.uint8))  # twice as fast as NumPy on what is contiguous


def _inside(scene: Scene) -> tuple[int, int, int, int] | np.ndarray:
    """M in the window: first and end row, first and end column of one box; else a bool raster."""
    if len(scene.boxes) > 1:
        return scene.inside_raster
    x0, y0, x1, y1 = pixel_ranges(scene.boxes)[0].tolist()
    row0, row1, col0, col1 = scene.window
    return (
        max(y0, row0) - row0,
        min(y1, row1) - row0,
        max(x0, col0) - col0,
        min(x1, col1) - col0,
    )


def _shared(
    mask: np.ndarray, row: int, col: int, inside: tuple[int, int, int, int] | np.ndarray
) -> int:
    """Pixels of M in a mask whose first pixel is (row, col) of the window."""
    if isinstance(inside, tuple):
        row0, row1, col0, col1 = inside
        part = mask[
            max(row0 - row, 0) : max(row1 - row, 0), max(col0 - col, 0) : max(col1 - col, 0)
        ]
        return int(np.count_nonzero(part))
    rows, cols = mask.shape
    return int(np.count_nonzero(mask & inside[row : row + rows, col : col + cols]))
