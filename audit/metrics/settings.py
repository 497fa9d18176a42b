"""What a user may choose about the metrics, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from audit.errors import AuditError
from audit.heatmaps import Threshold, even_steps
from audit.metrics.base import METRICS, Metric

DEFAULT_SWEEP = tuple(round(0.05 * k, 2) for k in range(1, 20))
LONGEST_SWEEP = 10_000


class Levels(NamedTuple):
    """All thresholds of a record."""

    fractions: np.ndarray
    """float64 (k,) of the maximum, rising and without repeats."""
    places: np.ndarray
    """int64 (1 + len(sweep),), where each is found in them: the configured one, then the sweep."""
    even: np.ndarray
    """bool (k,): those that are even steps of the sweep."""


@dataclass(frozen=True)
class MetricSettings:
    """Settings of the metrics of a run; checked when made.

    Raises
    ------
    AuditError: an unknown metric, a tolerance below 0, a sweep value outside 0 to 1, a sweep of
        more than 10,000 thresholds, a top_k below 1.
    """

    metrics: tuple[str, ...] | None = None
    """Names, in the order in which their columns appear; None for the default set."""
    tolerance: float = 0.0
    """Pixels of the original by which the maximum may miss a box (``flags.tolerance``)."""
    threshold: Threshold = field(default_factory=Threshold)
    sweep: tuple[float, ...] = DEFAULT_SWEEP
    """Further thresholds, fractions of the maximum, each kept for every record. 0 is allowed: the
    whole view."""
    top_k: int = 1000
    """Pixels of the original that ``top_k_intersection`` takes."""
    min_headroom: float = 0.2
    """Least ``energy_ceiling - area_fraction`` at which an energy skill is told."""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < float("inf"):
            raise AuditError("bad tolerance", expected="pixels >= 0", received=self.tolerance)
        if not all(0 <= t <= 1 for t in self.sweep):
            raise AuditError("bad sweep", expected="fractions 0 to 1", received=self.sweep)
        if len(self.sweep) > LONGEST_SWEEP:
            most = f"at most {LONGEST_SWEEP} thresholds"
            raise AuditError("bad sweep", expected=most, received=len(self.sweep))
        if self.top_k < 1:
            raise AuditError("bad top_k", expected="at least 1 pixel", received=self.top_k)
        if not 0 < self.min_headroom <= 1:
            raise AuditError("bad min_headroom", expected="0 to 1", received=self.min_headroom)
        _ = self.chosen  # an unknown name is told now, not at the first record

    @cached_property
    def chosen(self) -> tuple[Metric, ...]:
        """The metrics themselves."""
        if self.metrics is None:
            return tuple(entry for _, entry in METRICS.items() if entry.default)
        return tuple(METRICS.get(name, where="metrics") for name in dict.fromkeys(self.metrics))

    @cached_property
    def nothing_observed(self) -> dict[str, None]:
        """Every column of the chosen metrics, with None."""
        return {column.name: None for entry in self.chosen for column in entry.columns}

    @cached_property
    def even_steps(self) -> np.ndarray:
        """float64 (m,): :func:`audit.heatmaps.even_steps` of the sweep."""
        return even_steps(self.sweep)

    @cached_property
    def fixed_levels(self) -> Levels:
        """:meth:`levels` of a fixed fraction, worked out once."""
        return self._levels(self.threshold.value)

    def levels(self, fraction: float) -> Levels:
        """Those of a record; ``fraction`` is the configured threshold's on its map."""
        return self.fixed_levels if self.threshold.kind == "fraction" else self._levels(fraction)

    def _levels(self, fraction: float) -> Levels:
        fractions, places = np.unique(np.array((fraction, *self.sweep)), return_inverse=True)
        return Levels(fractions, places.ravel(), np.isin(fractions, self.even_steps))
