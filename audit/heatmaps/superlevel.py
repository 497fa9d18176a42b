"""The masks {A >= cut} of one map at a rising series of cuts, all read off one level image.

The level of a pixel is the number of cuts that its value reaches, so that mask i is ``level > i``:
a comparison of bytes, where the map's own would be one of floats, and one histogram counts the
pixels of all masks. Cuts at even steps, as a sweep has them, are found together: the level is the
value over the step, rounded down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property

import cv2
import numpy as np

from audit.geometry import Tiling

# Levels that fit twice into a byte, so that a histogram can hold a region's pixels apart.
MOST_CUTS = 127
# Fewer cuts than this are found one by one as fast.
FEWEST_EVEN = 4
# Least step, as a fraction of the maximum: a quotient has to stay far below the largest integer.
LEAST_STEP = 1e-3
# Steps whose inverse is an ordinary float32; beyond them, rounding errors exceed the margin.
STEPS = (1e-36, 1e36)
# Cuts, step, quotient and difference are each rounded by at most 2^-24 of the quotient.
MARGIN = 2.0**-19
# A histogram takes a pixel of each of so many stretches in turn: neighbours are often of one level,
# and a counter that was just raised has to be waited for.
STRETCHES = 16
# Pixels that are counted at once: OpenCV counts in float32, which is exact up to here.
MOST_COUNTED = 1 << 24


def even_steps(fractions: Iterable[float]) -> np.ndarray:
    """Those fractions of the maximum that can be found together; float64 (m,), rising.

    They are the smallest and its multiples, 2, 3, ... times it, as far as all of them are there.
    """
    found: list[float] = []
    for fraction in sorted(f for f in fractions if f >= LEAST_STEP):
        if not found or math.isclose(fraction, found[0] * (len(found) + 1), rel_tol=1e-9):
            found.append(fraction)
    return np.array(found if len(found) >= FEWEST_EVEN else [], dtype=np.float64)


def level_image(
    values: np.ndarray, cuts: np.ndarray, even: np.ndarray, valid: np.ndarray | None = None
) -> np.ndarray:
    """How many of the cuts each value reaches, exactly; the arguments of :class:`SuperlevelSets`.

    Returns uint8 (rows, cols), or uint16 for more than :data:`MOST_CUTS` cuts.
    """
    if len(cuts) > MOST_CUTS:
        return np.searchsorted(cuts, values, side="right").astype(np.uint16)
    series = cuts[even]
    if len(series) and STEPS[0] < series[0] < STEPS[1]:
        levels, others = _multiples(values, series), cuts[~even]
    else:
        levels, others = np.zeros(values.shape, np.uint8), cuts
    if valid is not None:  # what is negative has an absolute value, of which OpenCV took the level
        levels *= valid.view(np.uint8)
    for cut in others:
        levels += (values >= cut).view(np.uint8)
    return levels


def _multiples(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """:func:`level_image` for cuts that are 1, 2, 3 ... times the first, up to rounding.

    OpenCV rounds the absolute of quotient - .5 to the nearest integer: the quotient rounded down,
    but for rounding errors (and 0 gives 0, since halves go to the even one). So it is taken a
    little too large and a little too small. Where both agree that is the level; the few pixels
    within the margin of a cut are compared with the cuts themselves.
    """
    n = len(series)
    high, low = (
        cv2.convertScaleAbs(values, None, n / float(series[-1]) * scale, -0.5)
        for scale in (1 + MARGIN, 1 - MARGIN)
    )
    # Few are unsure, so that up to eight pixels are looked at as one.
    width = math.gcd(values.size, 8)
    unsure = np.flatnonzero(high.ravel().view(f"u{width}") != low.ravel().view(f"u{width}"))
    _, levels = cv2.threshold(low, n, 0, cv2.THRESH_TRUNC, dst=low)
    exact = series.searchsorted(values.reshape(-1, width)[unsure], side="right")
    levels.reshape(-1, width)[unsure] = exact
    return levels


class SuperlevelSets:
    """Masks of one map at several cuts.

    Parameters
    ----------
    values: float32 (rows, cols); pixels that never count hold a negative number.
    cuts: float32 (k,), rising, none above the largest value, so that no mask is empty.
    even: bool (k,), cuts at :func:`even_steps` of the largest value, rounded to float32; the others
        cost a comparison each.
    valid: bool (rows, cols), the pixels that count; None where all of them do.
    """

    def __init__(
        self,
        values: np.ndarray,
        cuts: np.ndarray,
        even: np.ndarray,
        valid: np.ndarray | None = None,
    ) -> None:
        self.cuts = cuts
        self.levels = level_image(values, cuts, even, valid)

    def __iter__(self) -> Iterator[tuple[np.ndarray, int, int]]:
        """For each cut: the bool mask's bounding rectangle, and its first row and column."""
        return map(self.__getitem__, range(len(self.cuts)))

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, int]:
        """The mask of one cut, as in :meth:`__iter__`; made anew on each call."""
        x0, y0, x1, y1 = self.rectangles[index]
        return self.levels[y0:y1, x0:x1] > index, y0, x0

    @cached_property
    def rectangles(self) -> list[tuple[int, int, int, int]]:
        """(x0, y0, x1, y1), half-open, around all pixels of each mask."""
        row0, row1 = _extents(self.levels.max(axis=1), len(self))
        col0, col1 = _extents(self.levels.max(axis=0), len(self))
        return list(zip(col0, row0, col1, row1, strict=True))

    def counts(self, tiling: Tiling, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of each mask, and those of them in a region of tiles; int64 (k,) both.

        ``tiling`` is one of the values' window, and ``region`` bool (ny, nx).
        """
        n = len(self) + 1
        apart = tiling.raster(region * self.levels.dtype.type(n))
        apart += self.levels
        outside, inside = _histogram(apart.ravel(), 2 * n).reshape(2, n)[:, :0:-1].cumsum(axis=1)
        return (outside + inside)[::-1], inside[::-1]


def _extents(highest: np.ndarray, n: int) -> tuple[list[int], list[int]]:
    """First and end index at which an axis' highest levels reach each of 1 ... n."""
    wanted = np.arange(1, n + 1, dtype=highest.dtype)
    first = np.maximum.accumulate(highest).searchsorted(wanted)
    end = len(highest) - np.maximum.accumulate(highest[::-1]).searchsorted(wanted)
    return first.tolist(), end.tolist()


def _histogram(levels: np.ndarray, n: int) -> np.ndarray:
    """``np.bincount(levels, minlength=n)`` of uint8 or uint16 below n, in a third of its time."""
    end = len(levels) // STRETCHES * STRETCHES
    counts = np.bincount(levels[end:], minlength=n)
    for start in range(0, end, MOST_COUNTED):
        part = levels[start : min(start + MOST_COUNTED, end)]
        mixed = cv2.transpose(part.reshape(STRETCHES, -1))
        counts += cv2.calcHist([mixed], [0], None, [n], [0, n]).astype(np.int64)
    return counts
