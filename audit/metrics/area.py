"""How much of the view the boxes take: what every other number stands beside."""

from __future__ import annotations

from typing import Any

from audit.metrics.base import Column, metric
from audit.metrics.flags import largest_box_cells
from audit.metrics.scene import Scene


@metric(
    "area",
    summary="Share of the view that the reference boxes take, and the largest box in native cells.",
    citation="closed form",
    columns=(
        Column("area_fraction", "float64", "pixels of M over pixels of V"),
        Column("largest_box_cells", "float64", "area of the largest box in view, in native cells"),
    ),
)
def area(scene: Scene) -> dict[str, Any]:
    """Both from what the model sees: a box half cut off by the crop counts with its other half."""
    return {
        "area_fraction": scene.area_fraction,
        "largest_box_cells": largest_box_cells(scene.boxes, scene.frame, *scene.heatmap.shape),
    }
