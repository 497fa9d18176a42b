"""Bilinear upsampling from native cells to the original's pixels, and its transpose per axis.

Along one axis the view [start, stop) is divided into n cells. Pixel p, centred at p + .5, lies at
``s = (p + .5 - start) * n / (stop - start) - .5`` in units of cells; it takes ``1 - f`` of cell
``floor(s)`` and ``f = s - floor(s)`` of the next, with s clamped to the outer cells' centres. That
is cv2.INTER_LINEAR. ``U = Uy (x) Ux``, and sums of pixels over a rectangle are
``a . (Uy^T 1_rows)(Ux^T 1_cols)^T``.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from audit.geometry import visible_window
from audit.records import Frame

# Images of one size, and the targets of one image, share these; small, since an entry may be a
# few megabytes for a large photograph and a fine map.
CACHED_AXES = 16


def taps(n: int, at: np.ndarray, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """floor(s) and f of the module's text for points ``at``, s clamped; int64 and float64."""
    s = np.clip((at - start) * (n / (stop - start)) - 0.5, 0.0, n - 1.0)
    low = np.minimum(s.astype(np.int64), max(n - 2, 0))
    return low, s - low


def axis_matrix(n: int, first: int, end: int, start: float, stop: float) -> np.ndarray:
    """U of one axis: float64 (end - first, n), each row the weights of one pixel's cells."""
    low, fraction = taps(n, np.arange(first, end) + 0.5, start, stop)
    matrix = np.zeros((end - first, n))
    pixel = np.arange(end - first)
    matrix[pixel, low] = 1.0 - fraction
    matrix[pixel, np.minimum(low + 1, n - 1)] += fraction
    return matrix


@lru_cache(maxsize=CACHED_AXES)
def cumulative_weights(n: int, first: int, end: int, start: float, stop: float) -> np.ndarray:
    """Running sums of :func:`axis_matrix`: float64 (end - first + 1, n), read-only.

    Row k - row j is ``U^T 1`` of the pixels first + j ... first + k - 1.
    """
    total = np.zeros((end - first + 1, n))
    np.cumsum(axis_matrix(n, first, end, start, stop), axis=0, out=total[1:])
    total.setflags(write=False)
    return total


def cell_shares(n: int, edges: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Share of each of n cells (no overlap, no interpolation) between successive edges.

    ``edges`` (k + 1,) in pixels of the original; returns float64 (k, n).
    """
    reached = (np.asarray(edges, dtype=np.float64)[:, None] - start) * (n / (stop - start))
    filled = np.minimum(np.maximum(reached - np.arange(n), 0.0), 1.0)
    return filled[1:] - filled[:-1]


def upsample(a: np.ndarray, frame: Frame) -> np.ndarray:
    """``a`` (h, w) on the pixels of the original that reach the model: float32 (rows, cols).

    The pixels are those of :func:`audit.geometry.visible_window`. Where the view is exactly that
    window (``stretch``, ``center_crop``) OpenCV does it; its numbers and ours differ by rounding.
    """
    window, view = visible_window(frame), frame.view
    a = np.ascontiguousarray(a, dtype=np.float32)
    if (view.x0, view.y0, view.x1, view.y1) == (window.col0, window.row0, window.col1, window.row1):
        return cv2.resize(a, (window.cols, window.rows), interpolation=cv2.INTER_LINEAR)
    wide = _blend(a.T, window.col0, window.col1, view.x0, view.x1)
    return _blend(np.ascontiguousarray(wide.T), window.row0, window.row1, view.y0, view.y1)


def _blend(cells: np.ndarray, first: int, end: int, start: float, stop: float) -> np.ndarray:
    """Two taps along axis 0 of float32 (n, m): float32 (end - first, m)."""
    n = len(cells)
    low, share = taps(n, np.arange(first, end) + 0.5, start, stop)
    fraction = share.astype(np.float32)[:, None]
    result = cells[low]
    result *= 1.0 - fraction
    upper = cells[np.minimum(low + 1, n - 1)]
    upper *= fraction
    result += upper
    return result
