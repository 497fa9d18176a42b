"""The pixels of V by their values: in how many steps, how many of them lie in M, and the highest.

A sort of a photograph's pixels costs more than all other metrics together. Here the range between
the map's lowest and highest value is cut into even steps, whose pixels are counted. The k highest
pixels are whole steps and a part of one, and only the pixels of that one are compared by value.
"""

from __future__ import annotations

import numpy as np

from audit.geometry import Tiling
from audit.heatmaps import SuperlevelSets

STEPS = 100


class Ranking:
    """The order of a map's pixels.

    Parameters
    ----------
    values: float32 (rows, cols), finite; non-negative in V, -1 outside of it.
    tiling: regions of the values' window.
    valid: bool (rows, cols), V; None where it is all of the window.
    """

    def __init__(self, values: np.ndarray, tiling: Tiling, valid: np.ndarray | None) -> None:
        self._values, self._tiling = values, tiling
        above = values - (values if valid is None else values[valid]).min()
        step = float(above.max()) / STEPS
        n = STEPS - 1 if step > 0 else 0  # one value everywhere: all of V is the lowest step
        cuts = (np.arange(1, n + 1) * step).astype(np.float32)
        sets = SuperlevelSets(above, cuts, np.ones(n, bool), valid)
        self._steps = sets.levels
        # Pixels of this step or a higher one, of V and of M; above the highest there is none.
        self._reach, self._inside = np.zeros((2, STEPS + 1), np.int64)
        self._reach[0], self._inside[0] = tiling.count(tiling.valid), tiling.count(tiling.inside)
        self._reach[1 : n + 1], self._inside[1 : n + 1] = sets.counts(tiling, tiling.inside)

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of M, and of V outside of it, in each of :data:`STEPS` even steps from the map's
        lowest to its highest value; two of int64 (STEPS,). The last step holds the maximum."""
        inside = -np.diff(self._inside)
        return inside, -np.diff(self._reach) - inside

    def inside_among_top(self, k: int) -> float:
        """How many of the k highest pixels lie in M, for k from 1 to the pixels of V.

        Exact: of pixels that tie for the last places M has the share that it has among them all.
        """
        step = int(np.flatnonzero(self._reach >= k)[-1])
        members = self._steps == step  # in the lowest one those outside of V, too: lower still
        inside = self._tiling.raster(self._tiling.inside)[members]
        left = k - int(self._reach[step + 1])
        return int(self._inside[step + 1]) + _among_top(self._values[members], inside, left)


def _among_top(values: np.ndarray, inside: np.ndarray, k: int) -> float:
    """:meth:`Ranking.inside_among_top` of a few pixels."""
    place = len(values) - k
    cut = np.partition(values, place)[place]
    above, tied = values > cut, values == cut
    n_above, n_tied = np.count_nonzero(above), np.count_nonzero(tied)
    share = int(np.count_nonzero(inside & tied)) / int(n_tied)
    return int(np.count_nonzero(inside & above)) + (k - int(n_above)) * share
