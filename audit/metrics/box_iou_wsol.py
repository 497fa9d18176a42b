"""Box IoU as wsolevaluation counts it, for comparison with published tables.

Source: Choe et al. 2020, "Evaluating Weakly Supervised Object Localization Methods Right", and its
code. Other than :mod:`audit.metrics.box_iou` it scales the map to 0-255 by minimum and maximum,
keeps pixels strictly above the threshold, takes the contour that encloses the largest area (a line
of any length encloses none), and adds 1 to widths and heights. Reference boxes are used as they
are; published tables work on 224 x 224 images, so that equal numbers need equal sizes.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from audit.metrics.base import Column, metric
from audit.metrics.box_iou import best_ious
from audit.metrics.scene import Scene


@metric(
    "box_iou_wsol",
    summary="Box IoU as wsolevaluation counts it: largest contour area, widths plus 1.",
    citation="Choe et al. 2020, wsolevaluation",
    columns=(
        Column("box_iou_wsol", "float64", "best IoU at the configured threshold"),
        Column("box_iou_wsol_sweep", "float64", "best IoU at each threshold of the sweep", "sweep"),
    ),
    default=False,
)
def box_iou_wsol(scene: Scene) -> dict[str, Any]:
    """Pixels outside V count as the minimum. Empty where A is 0, or even, all over V."""
    grey = _grey(scene) if scene.levels is not None else None
    if grey is None:
        return {"box_iou_wsol": None, "box_iou_wsol_sweep": None}
    thresholds = (scene.threshold, *scene.settings.sweep)
    origin = (scene.window.col0, scene.window.row0) * 2
    boxes = np.array([wsol_box(grey, t) for t in thresholds], dtype=np.float64) + origin
    ious = best_ious(boxes, scene.boxes, extra=1.0)
    return {"box_iou_wsol": float(ious[0]), "box_iou_wsol_sweep": ious[1:]}


def wsol_box(grey: np.ndarray, threshold: float) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1) of the contour of largest area in a uint8 map; zeros where none is.

    As in wsolevaluation, x1 and y1 are the end of the contour, at most the last pixel.
    """
    cut = int(threshold * int(grey.max()))
    above = (grey > cut).view(np.uint8)
    contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return (0, 0, 0, 0)
    x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
    rows, cols = grey.shape
    return (x, y, min(x + width, cols - 1), min(y + height, rows - 1))


def _grey(scene: Scene) -> np.ndarray | None:
    """The map scaled to 0-255 by its minimum and maximum over V; None where they are equal."""
    valid = scene.valid_raster
    lowest = float((scene.values if valid is None else scene.values[valid]).min())
    if scene.highest <= lowest:
        return None
    scaled = (np.maximum(scene.values, np.float32(lowest)) - lowest) / (scene.highest - lowest)
    return (scaled * 255).astype(np.uint8)
