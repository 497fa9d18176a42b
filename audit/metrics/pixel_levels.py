"""How many pixels of the boxes, and of the rest, lie at each level of the map: what PxAP is made of.

Source: Choe et al. 2020, "Evaluating Weakly Supervised Object Localization Methods Right" (pixel
average precision); :func:`audit.metrics.over_records.pixel_average_precision` adds up records.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene


@metric(
    "pixel_levels",
    summary="Share of pixels in and outside the boxes at each level of the map, for PxAP.",
    citation="Choe et al. 2020 (PxAP)",
    columns=(
        Column("levels_inside", "float32", "share of V that lies in M, at each level", "levels"),
        Column("levels_outside", "float32", "share of V outside M, at each level", "levels"),
    ),
    default=False,
)
def pixel_levels(scene: Scene) -> dict[str, Any]:
    """Levels are 100 even steps from the map's lowest value over V to its highest, as in the paper.

    Shares, so that a large photograph counts no more than a small one: the paper's images are of
    one size. Empty where A is 0 all over V.
    """
    if scene.ranking is None:
        return {"levels_inside": None, "levels_outside": None}
    inside, outside = (
        (counts / scene.n_view).astype(np.float32) for counts in scene.ranking.histogram()
    )
    return {"levels_inside": inside, "levels_outside": outside}
