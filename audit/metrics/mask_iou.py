"""IoU of the thresholded heatmap with the union of the reference boxes, pixel by pixel.

Sources: Selvaraju et al. 2017 (Grad-CAM, t = .15); Zhou et al. 2016 (CAM, t = .20).
"""

from __future__ import annotations

from typing import Any

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
    size, shared = sets.counts(scene.tiling, scene.tiling.inside)
    ious = (shared / (size + scene.n_inside - shared))[places]
    return {
        "threshold": float(scene.threshold),
        "mask_iou": float(ious[0]),
        "mask_iou_sweep": ious[1:],
    }
