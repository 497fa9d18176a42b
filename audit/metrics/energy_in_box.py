"""The share of the heatmap's energy inside the boxes, and what that share could have been.

Sources: Wang et al. 2020, "Score-CAM" (energy-based pointing game); Arras et al. 2022, "CLEVR-XAI"
(relevance mass). Ceiling and skill are ours. Upsampling is linear, so that all of it is exact on
the native grid: the energy of a region is ``(a * weight).sum()`` with ``weight = U^T 1``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene, Weights

# Cells with less than this share of their weight in V do not set the ceiling: a cell that shows a
# sliver of the image would promise what no map of the object can reach.
LEAST_WEIGHT_IN_VIEW = 0.5


@metric(
    "energy_in_box",
    summary="Share of the heatmap's energy inside the boxes; its skill between area and ceiling.",
    citation="Wang et al. 2020, Score-CAM; Arras et al. 2022, CLEVR-XAI (relevance mass)",
    columns=(
        Column("energy_in_box", "float64", "sum of A in M over sum of A in V"),
        Column("energy_in_padding", "float64", "share of the energy of the whole input in padding"),
        Column("energy_ceiling", "float64", "largest energy_in_box of any map on the native grid"),
        Column("energy_skill", "float64", "0 an even spread, 1 the ceiling; empty for large boxes"),
        Column("energy_cover", "float64", "energy_in_box of the boxes' own coverage of the cells"),
        Column("weights_inside", "float32", "U^T 1 over M, for other maps on these boxes", "cells"),
        Column("weights_view", "float32", "U^T 1 over V, for other maps on these boxes", "cells"),
    ),
)
def energy_in_box(scene: Scene) -> dict[str, Any]:
    """Empty where the map has no energy in V (all of it in padding or in ignored regions).

    That of an even map is the area's share, to the last digit, so that its skill is 0.
    """
    weights, a = scene.weights, scene.heatmap64
    inside, view = float((a * weights.inside).sum()), float((a * weights.view).sum())
    energy = scene.area_fraction if scene.even else _share(inside, view)
    ceiling = energy_ceiling(weights)
    return {
        "energy_in_box": energy,
        "energy_in_padding": _in_padding(a, weights),
        "energy_ceiling": ceiling,
        "energy_skill": energy_skill(
            energy, scene.area_fraction, ceiling, scene.settings.min_headroom
        ),
        "energy_cover": _cover(scene),
        "weights_inside": weights.inside.astype(np.float32).ravel(),
        "weights_view": weights.view.astype(np.float32).ravel(),
    }


def energy_ceiling(weights: Weights) -> float | None:
    """The largest energy_in_box that any map of this grid reaches, and one single cell does.

    Only cells with at least half their weight in V count; None where there is none (a panorama in a
    letterbox, whose strip is thinner than a cell).
    """
    counts = weights.view >= LEAST_WEIGHT_IN_VIEW * weights.canvas
    if not counts.any():
        return None
    return min(float((weights.inside[counts] / weights.view[counts]).max()), 1.0)


def energy_skill(
    energy: float | None, area_fraction: float, ceiling: float | None, min_headroom: float = 0.2
) -> float | None:
    """(energy - area) / (ceiling - area), clipped above at 1.

    None where the energy or the ceiling is undefined, or the denominator is under ``min_headroom``:
    boxes so large that hardly any map could show a difference.
    """
    if energy is None or ceiling is None or ceiling - area_fraction < min_headroom:
        return None
    return min((energy - area_fraction) / (ceiling - area_fraction), 1.0)


def energies(maps: np.ndarray, weights_inside: np.ndarray, weights_view: np.ndarray) -> np.ndarray:
    """energy_in_box of (k, cells) other maps on a record's stored weights (cells,); float64 (k,).

    NaN for a map without energy in V.
    """
    inside = np.einsum("kc,c->k", maps, weights_inside, dtype=np.float64)
    view = np.einsum("kc,c->k", maps, weights_view, dtype=np.float64)
    return np.divide(inside, view, out=np.full(len(maps), np.nan), where=view > 0)


def _share(part: float, whole: float) -> float | None:
    return min(part / whole, 1.0) if whole > 0 else None


def _in_padding(a: np.ndarray, weights: Weights) -> float:
    everywhere, image = float((a * weights.canvas).sum()), float((a * weights.image).sum())
    return max(1.0 - image / everywhere, 0.0)


def _cover(scene: Scene) -> float | None:
    """What a map scores that lights each cell by the share of it that the boxes cover."""
    inside = float((scene.coverage * scene.weights.inside).sum())
    return _share(inside, float((scene.coverage * scene.weights.view).sum()))
