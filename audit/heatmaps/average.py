"""Heatmaps on a coarser grid: each cell the mean of what it covers."""

from __future__ import annotations

import numpy as np


def cell_means(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """float64 (n, rows, columns) of maps (n, h, w), area-weighted where cells do not nest.

    ``grid`` is no finer than the maps, which come back as they are where it is their own.
    """
    averaged = maps.astype(np.float64)
    if maps.shape[1:] == grid:
        return averaged
    down, across = (_overlaps(*sizes) for sizes in zip(maps.shape[1:], grid, strict=True))
    averaged = np.einsum("nhw,wj->nhj", averaged, across)
    return np.einsum("ih,nhj->nij", down.T, averaged)


def _overlaps(fine: int, coarse: int) -> np.ndarray:
    """float64 (fine, coarse): the share of each coarse cell that each fine one covers."""
    low, high = np.arange(fine) / fine, np.arange(1, fine + 1) / fine
    left, right = np.arange(coarse) / coarse, np.arange(1, coarse + 1) / coarse
    shared = np.minimum(high[:, None], right) - np.maximum(low[:, None], left)
    return np.maximum(shared, 0) * coarse
