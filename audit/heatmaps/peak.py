"""The maximum of a heatmap, as a point; or the reason why it has none."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

PEAK = "peak"
FLAT_MAP = "flat_map"
NON_FINITE_MAP = "non_finite_map"
NEGATIVE_MAP = "negative_map"

# Cells whose values differ from the maximum by less than this share of it are as high as it.
TIE = 1e-6


class Peak(NamedTuple):
    """Where a heatmap is highest; ``u`` and ``v`` are NaN unless ``kind`` is ``"peak"``."""

    u: float
    """Fraction of the input's width: (column + .5) / w."""
    v: float
    """Fraction of the input's height: (row + .5) / h."""
    tied: bool
    """Several cells are as high; ``(u, v)`` is the mean of the largest connected group of them,
    which need not lie in the group (a ring)."""
    kind: str
    """``peak``, or the reason for which the map cannot be scored: ``flat_map``, ``non_finite_map``,
    ``negative_map``."""


def maximum(a: np.ndarray) -> Peak:
    """The centre of the largest native cell of ``a`` (h, w), in fractions of the model's input.

    Cells within 1e-6 (relative) of the maximum are tied. Of tied cells the largest 8-connected
    group counts (the first in raster order, where groups are equally large), and its mean is taken.
    A map whose cells are all tied is flat, as is one of zeros. Take it from the float32 map, before
    storage: float16 makes ties.
    """
    values = np.asarray(a, dtype=np.float64)
    highest = int(values.argmax())
    high, low = values.item(highest), float(values.min())
    if not (math.isfinite(high) and math.isfinite(low)):  # argmax and min go for a NaN
        return _none(NON_FINITE_MAP)
    if low < 0:
        return _none(NEGATIVE_MAP)
    floor = high * (1.0 - TIE)
    if low >= floor:
        return _none(FLAT_MAP)
    top = values >= floor
    tied = int(np.count_nonzero(top)) > 1
    row, col = _largest_group(top) if tied else divmod(highest, values.shape[1])
    return Peak((col + 0.5) / values.shape[1], (row + 0.5) / values.shape[0], tied, PEAK)


def _none(kind: str) -> Peak:
    return Peak(float("nan"), float("nan"), False, kind)


def _largest_group(top: np.ndarray) -> tuple[float, float]:
    """Mean row and column of the largest 8-connected group of a bool (h, w)."""
    _, labels = cv2.connectedComponents(top.view(np.uint8), connectivity=8)
    in_raster_order = labels[top]
    sizes = np.bincount(in_raster_order)
    # argmax over the pixels, not over the labels: which group a label names is OpenCV's affair.
    chosen = in_raster_order[sizes[in_raster_order].argmax()]
    rows, cols = np.nonzero(labels == chosen)
    return float(rows.mean()), float(cols.mean())
