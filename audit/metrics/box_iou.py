"""IoU of one box, drawn around the heatmap's largest component, with the reference boxes.

Sources: Zhou et al. 2016 (CAM: a box around the largest component of the thresholded map); the
localisation task of ILSVRC (correct at IoU >= .5); Choe et al. 2020 (every threshold is kept, since
the choice moves the result). Components are 8-connected and the largest has the most pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.geometry import box_ious
from audit.heatmaps import component_boxes
from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene

CORRECT_IOU = 0.5
EMPTY = {
    "box_iou": None,
    "localisation_correct": None,
    "heatmap_box": None,
    "box_iou_sweep": None,
    "heatmap_box_sweep": None,
}


@metric(
    "box_iou",
    summary="IoU of the box around the heatmap's largest component with the best box, and a sweep.",
    citation="Zhou et al. 2016, CAM; Russakovsky et al. 2015, ILSVRC; Choe et al. 2020",
    columns=(
        Column("box_iou", "float64", "best IoU at the configured threshold"),
        Column("localisation_correct", "bool", "box_iou >= .5"),
        Column(
            "heatmap_box", "float64", "the box at the configured threshold, original pixels", "xyxy"
        ),
        Column("box_iou_sweep", "float64", "best IoU at each threshold of the sweep", "sweep"),
        Column("heatmap_box_sweep", "float32", "the box at each of them", "boxes"),
    ),
)
def box_iou(scene: Scene) -> dict[str, Any]:
    """Reference boxes are cut to what the model sees, as the map cannot reach beyond it.

    Empty where A is 0 all over V.
    """
    if scene.levels is None:
        return dict(EMPTY)
    sets, places = scene.levels
    boxes = component_boxes(sets, scene.highest_pixel, scene.summits)
    boxes += (scene.window.col0, scene.window.row0, scene.window.col0, scene.window.row0)
    ious = best_ious(boxes, scene.boxes)[places]
    return {
        "box_iou": float(ious[0]),
        "localisation_correct": bool(ious[0] >= CORRECT_IOU),
        "heatmap_box": boxes[places[0]],
        "box_iou_sweep": ious[1:],
        "heatmap_box_sweep": boxes[places[1:]].astype(np.float32).ravel(),
    }


def best_ious(found: np.ndarray, reference: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Best IoU of each of (k, 4) found boxes over (n, 4) reference boxes; float64 (k,)."""
    return box_ious(found, reference, extra).max(axis=1)
