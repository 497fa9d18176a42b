"""A heatmap read off at points of the original image."""

from __future__ import annotations

import numpy as np

from audit.geometry import visible_box
from audit.heatmaps.upsample import taps
from audit.records import Frame


def sample(a: np.ndarray, frame: Frame, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """``a`` (h, w) at the crossings of ``xs`` (k,) and ``ys`` (m,), pixels of the original.

    float64 (m, k), bilinear between the cells' centres as in :mod:`audit.heatmaps.upsample`; NaN
    where there is no image or where the model does not see it.
    """
    a = np.asarray(a, np.float64)
    seen = visible_box(frame)
    if seen is None:
        return np.full((len(ys), len(xs)), np.nan)
    down = taps(a.shape[0], ys, frame.view.y0, frame.view.y1)
    across = taps(a.shape[1], xs, frame.view.x0, frame.view.x1)
    rows = _between(a, *down)
    values = _between(rows.T, *across).T
    values[(ys < seen.y0) | (ys > seen.y1)] = np.nan
    values[:, (xs < seen.x0) | (xs > seen.x1)] = np.nan
    return values


def _between(cells: np.ndarray, low: np.ndarray, share: np.ndarray) -> np.ndarray:
    upper = np.minimum(low + 1, len(cells) - 1)
    return cells[low] * (1.0 - share)[:, None] + cells[upper] * share[:, None]
