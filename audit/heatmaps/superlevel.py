"""The masks {A >= cut} for a rising series of cuts, each on no more pixels than it needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class SuperlevelSets:
    """Masks of one map at several cuts.

    Parameters
    ----------
    values: float32 (rows, cols); pixels that never count hold a negative number.
    cuts: float32 (k,), none above the largest value, so that no mask is empty.
    """

    def __init__(self, values: np.ndarray, cuts: np.ndarray) -> None:
        self.values = values
        self.cuts = np.asarray(cuts, dtype=np.float32)
        self._rows = _reached(values.max(axis=1), self.cuts)
        self._cols = _reached(values.max(axis=0), self.cuts)

    def __iter__(self) -> Iterator[tuple[np.ndarray, int, int]]:
        """For each cut: the bool mask's bounding rectangle, and its first row and column."""
        return map(self.__getitem__, range(len(self.cuts)))

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, int]:
        """The mask of one cut, as in :meth:`__iter__`; made anew on each call."""
        x0, y0, x1, y1 = self.rectangle(index)
        return self.values[y0:y1, x0:x1] >= self.cuts[index], y0, x0

    def rectangle(self, index: int) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1), half-open, around all pixels of one cut's mask."""
        (row0, row1), (col0, col1) = self._rows[index], self._cols[index]
        return col0, row0, col1, row1


def _reached(highest: np.ndarray, cuts: np.ndarray) -> list[list[int]]:
    """First and end index at which the maxima of an axis reach each cut; k pairs."""
    reached = highest >= cuts[:, None]
    first = reached.argmax(axis=1)
    end = len(highest) - reached[:, ::-1].argmax(axis=1)
    return np.stack((first, end), axis=1).tolist()
