"""How well the heatmap tells pixels of the boxes from others, over all thresholds.

Source: Fawcett 2006, "An introduction to ROC analysis"; used on heatmaps by Fong & Vedaldi 2017 and
Theiner et al. 2022. The area under the ROC curve is the share of pairs, one pixel in M and one
outside, in which the map is higher in M; a tie counts one half (mid-ranks).

Pixels are put into 65,536 even steps between the map's lowest and highest value, which decides
between pixels of different steps. Within a step all are sorted by value where it holds more than
:data:`NEGLIGIBLE` of all pairs; a step that holds fewer counts as a tie. So the figure is exact on
small images, and nowhere further than 5e-5 from exact (on photographs, under 1e-6).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from audit.metrics.base import Column, metric
from audit.metrics.scene import Scene

HIGHEST_STEP = (1 << 16) - 1
# Share of all pairs up to which a step is a tie: all steps together are a share of 1e-4, half won.
NEGLIGIBLE = 1e-4 / (1 << 16)
# Pixels that are counted at once: NumPy makes eight bytes of each.
CHUNK = 1 << 16


@metric(
    "auc",
    summary="Pixel ROC-AUC of the heatmap against the boxes; .5 is chance.",
    citation="Fawcett 2006, An introduction to ROC analysis; Theiner et al. 2022",
    columns=(Column("auc", "float64", "share of pixel pairs in the right order, ties one half"),),
    default=False,
)
def auc(scene: Scene) -> dict[str, Any]:
    """Empty where A is 0 all over V."""
    if scene.highest <= 0:
        return {"auc": None}
    inside = scene.tiling.raster(scene.tiling.inside)
    pairs = scene.n_inside * (scene.n_view - scene.n_inside)
    return {"auc": twice_wins(scene.values, inside, scene.valid_raster) / (2 * pairs)}


def twice_wins(values: np.ndarray, inside: np.ndarray, valid: np.ndarray | None = None) -> int:
    """Pairs of a pixel of M and one outside of it: 2 for each in which M's is higher, 1 for each tie,
    to the precision of this module's text.

    Parameters
    ----------
    values: float32 (rows, cols), finite; non-negative in V.
    inside: bool (rows, cols), the pixels of M, all in V.
    valid: bool (rows, cols), V; None where it is all of them.
    """
    steps = _steps(values, valid)
    n_inside = _counts(steps, inside)
    n_outside = _counts(steps, valid) - n_inside
    ties = n_inside * n_outside
    sorted_too = ties > NEGLIGIBLE * n_inside.sum() * n_outside.sum()
    wins = _between(n_inside, n_outside) + int(ties.sum())
    if not sorted_too.any():
        return wins
    chosen = sorted_too.take(steps)
    if valid is not None:
        chosen &= valid
    pixels = np.flatnonzero(chosen)
    guessed = _between(n_inside[sorted_too], n_outside[sorted_too]) + int(ties[sorted_too].sum())
    return wins - guessed + _sorted_pairs(values.ravel()[pixels], inside.ravel()[pixels])


def _steps(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """uint16 (rows, cols): each value's even step, rising with it; anything outside of V.

    Of a range under 2e-16, which OpenCV takes for none, all is one step.
    """
    mask = None if valid is None else valid.view(np.uint8)
    return cv2.normalize(values, None, 0, HIGHEST_STEP, cv2.NORM_MINMAX, cv2.CV_16U, mask)


def _counts(steps: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """int64 (steps,): pixels of a region, or of all, in each step."""
    chosen = steps.ravel() if region is None else steps[region]
    counts = np.zeros(HIGHEST_STEP + 1, np.int64)
    for k in range(0, len(chosen), CHUNK):
        counts += np.bincount(chosen[k : k + CHUNK], minlength=len(counts))
    return counts


def _between(inside: np.ndarray, outside: np.ndarray) -> int:
    """:func:`twice_wins` over pairs of different steps, from the steps' counts."""
    return 2 * int((inside * (outside.cumsum() - outside)).sum())


def _sorted_pairs(values: np.ndarray, inside: np.ndarray) -> int:
    """:func:`twice_wins` of (n,) values of V, by one sort.

    The bits of a non-negative float32 are in the order of the numbers, and leave one bit for M.
    """
    keys = np.sort((values.view(np.uint32) << 1) | inside)
    marked = (keys & 1).astype(bool)
    places = np.flatnonzero(marked)
    # M comes last of those that tie: each of these pairs has counted as a win.
    wins = 2 * (int(places.sum()) - len(places) * (len(places) - 1) // 2)
    last = np.flatnonzero(marked[1:] & (keys[1:] - keys[:-1] == 1))
    first = keys.searchsorted(keys[last])
    end = keys.searchsorted(keys[last + 1], side="right") if len(last) else last
    return wins - int(((last + 1 - first) * (end - last - 1)).sum())
