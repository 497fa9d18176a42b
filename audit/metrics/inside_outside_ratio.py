"""How much higher the heatmap is in the boxes than outside of them, on average.

Source: Selvaraju et al. 2017, Grad-CAM, section on captioning (mean activation inside the box over
that outside). Upsampling is linear, so that both means are exact on the native grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene

# A share of the energy that rounding alone leaves outside of the boxes.
ROUNDING = 1e-12


@metric(
    "inside_outside_ratio",
    summary="Mean of the heatmap in the boxes over its mean outside; 1 is an even spread.",
    citation="Selvaraju et al. 2017, Grad-CAM (captioning)",
    columns=(Column("inside_outside_ratio", "float64", "mean of A in M over its mean outside M"),),
)
def inside_outside_ratio(scene: Scene) -> dict[str, Any]:
    """Empty where the map is 0 all over V outside of the boxes: the ratio has no bound there."""
    if scene.even:
        return {"inside_outside_ratio": 1.0}
    weights, a = scene.weights, scene.heatmap64
    inside, view = float((a * weights.inside).sum()), float((a * weights.view).sum())
    outside = float((a * np.maximum(weights.view - weights.inside, 0.0)).sum())
    if outside <= ROUNDING * view:
        return {"inside_outside_ratio": None}
    n_outside = scene.n_view - scene.n_inside
    return {"inside_outside_ratio": (inside / scene.n_inside) / (outside / n_outside)}
