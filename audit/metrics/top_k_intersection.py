"""The share of a fixed number of highest pixels that lies in the boxes.

Source: Theiner et al. 2022, "Interpretable Semantic Photo Geolocation" (k = 1000, the default).
"""

from __future__ import annotations

from typing import Any

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene


@metric(
    "top_k_intersection",
    summary="Share of the k highest pixels that lie in the boxes (heatmap.top_k).",
    citation="Theiner et al. 2022, Interpretable Semantic Photo Geolocation",
    columns=(Column("top_k_intersection", "float64", "top-k pixels of the original in M over k"),),
    default=False,
)
def top_k_intersection(scene: Scene) -> dict[str, Any]:
    """Ties that straddle k are shared out in proportion. Empty where V has fewer than k pixels, and
    where A is 0 all over V."""
    k = scene.settings.top_k
    if scene.ranking is None or k > scene.n_view:
        return {"top_k_intersection": None}
    return {"top_k_intersection": scene.ranking.inside_among_top(k) / k}
