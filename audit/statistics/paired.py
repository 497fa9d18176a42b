"""Two runs on the same records: did an outcome change by more than chance would make it.

Every record is its own control: what both runs got right, or both got wrong, says nothing of a
change, and only the records that went one way or the other are counted (McNemar 1947).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.intervals import Estimate, clustered_mean
from audit.statistics.significance import binomial_at_least, false_discovery_q

State = Literal["worse", "better", "no_change_shown", "not_comparable"]


class Pairs(NamedTuple):
    """An outcome (0 or 1) of the same records in an old and a new run."""

    both: int
    only_old: int
    only_new: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.only_old + self.only_new + self.neither

    @property
    def p(self) -> float:
        """Of "a record goes one way as easily as the other"; NaN without a pair."""
        return float(mcnemar_p(self.only_old, self.only_new)) if self.n else float("nan")


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """When a class counts as changed."""

    alpha: float = 0.05

    @property
    def min_pairs(self) -> int:
        """The fewest pairs with which p could fall under ``alpha``: 6 at .05."""
        n = 1
        while mcnemar_p(0, n) >= self.alpha:
            n += 1
        return n

    def states(self, focused: Sequence[Pairs]) -> tuple[list[State], NDArray[np.float64]]:
        """State and q of each class, from its pairs of the outcome "background-focused".

        ``worse`` or ``better``: q < ``alpha``, Benjamini-Hochberg over the classes that have
        :attr:`min_pairs`; ``not_comparable``: a class with fewer, which is not tested.
        """
        p = np.array([f.p if f.n >= self.min_pairs else np.nan for f in focused], np.float64)
        q = false_discovery_q(p)
        return [self._state(f, value) for f, value in zip(focused, q, strict=True)], q

    def _state(self, focused: Pairs, q: float) -> State:
        if np.isnan(q):
            return "not_comparable"
        if q >= self.alpha or focused.only_old == focused.only_new:
            return "no_change_shown"
        return "worse" if focused.only_new > focused.only_old else "better"


def pair_outcomes(old: ArrayLike, new: ArrayLike) -> Pairs:
    """Count an outcome over records.

    Parameters
    ----------
    old, new: (n,) of 0, 1 or NaN, the same records in the same order; a record with a NaN on either
        side is no pair.

    Raises
    ------
    ValueError: another value, or shapes that differ.
    """
    old, new = np.asarray(old, np.float64), np.asarray(new, np.float64)
    if old.shape != new.shape or old.ndim != 1:
        raise ValueError(f"old, new: expected one (n,) shape, received {old.shape}, {new.shape}")
    for values in (old, new):
        if not np.all(np.isnan(values) | (values == 0) | (values == 1)):
            raise ValueError("old, new: expected 0, 1 or NaN")
    ways = [(1, 1), (1, 0), (0, 1), (0, 0)]
    return Pairs(*(int(np.count_nonzero((old == a) & (new == b))) for a, b in ways))


def mcnemar_p(only_old: ArrayLike, only_new: ArrayLike) -> NDArray[np.float64]:
    """Exact two-sided McNemar p: the binomial test of ``only_old`` of both at 1/2.

    Twice the smaller tail, at most 1 (McNemar 1947; exact form as in Fagerland, Lydersen & Laake
    2013, section 3). 1 where nothing went either way.

    Parameters
    ----------
    only_old, only_new: integer counts, broadcast against each other.

    Raises
    ------
    ValueError: a negative count.
    """
    a, b = np.broadcast_arrays(np.asarray(only_old), np.asarray(only_new))
    if np.any((a < 0) | (b < 0)):
        raise ValueError("only_old, only_new: expected counts, received a negative one")
    return np.minimum(1.0, 2 * binomial_at_least(np.maximum(a, b), a + b, 0.5))[()]


def mean_change(
    old: ArrayLike, new: ArrayLike, clusters: ArrayLike, *, seed: int | np.random.Generator = 0
) -> Estimate:
    """Mean of new - old over the records that have both, with an interval clustered by image.

    The bootstrap of :func:`~audit.statistics.intervals.clustered_mean` on the differences: a record
    is resampled with its old and its new value together.
    """
    difference = np.asarray(new, np.float64) - np.asarray(old, np.float64)
    return clustered_mean(difference, clusters, seed=seed)
