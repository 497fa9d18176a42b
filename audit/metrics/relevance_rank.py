"""The share of the highest pixels that lie in the boxes, as many pixels as the boxes have.

Source: Arras et al. 2022, "CLEVR-XAI" (relevance rank accuracy).
"""

from __future__ import annotations

from typing import Any

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene


@metric(
    "relevance_rank",
    summary="Share of the K highest pixels that lie in the boxes, K the pixels of the boxes.",
    citation="Arras et al. 2022, CLEVR-XAI (relevance rank accuracy)",
    columns=(Column("relevance_rank", "float64", "top-K pixels in M over K, K the pixels of M"),),
    default=False,
)
def relevance_rank(scene: Scene) -> dict[str, Any]:
    """Ties that straddle K are shared out in proportion. Empty where A is 0 all over V."""
    if scene.ranking is None:
        return {"relevance_rank": None}
    return {"relevance_rank": scene.ranking.inside_among_top(scene.n_inside) / scene.n_inside}
