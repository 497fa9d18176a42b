"""Thresholds: a fixed fraction of the maximum, Otsu's, or a percentile of the map's pixels.

All of them end as a fraction t of the maximum, and the mask is {A >= t max(A)}, with A on the
original's pixels and max(A) its maximum **over V**, not over the native cells (which may be a
little higher, or lie in the padding). The product is rounded to float32, the type of A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.errors import AuditError

THRESHOLD_KINDS = ("fraction", "otsu", "percentile")
OTSU_BINS = 256


@dataclass(frozen=True, slots=True)
class Threshold:
    """One way to cut a heatmap.

    ``fraction``: ``value`` of the maximum, 0 to 1 (Grad-CAM paper .15, CAM paper .20). ``otsu``: no
    value. ``percentile``: the ``value``-th percentile of A over V, above 0 and below 100.
    """

    kind: str = "fraction"
    value: float = 0.15

    def __post_init__(self) -> None:
        largest = {"fraction": 1.0, "percentile": 100.0, "otsu": float("inf")}.get(self.kind)
        if largest is None:
            raise AuditError("unknown threshold", expected=THRESHOLD_KINDS, received=self.kind)
        if not 0 <= self.value <= largest:
            raise AuditError("bad threshold", expected=f"0 to {largest:g}", received=self.value)

    def fraction(self, values: np.ndarray, highest: float) -> float:
        """t for the pixels of V, ``values`` (float32, any shape), whose maximum is ``highest``."""
        if self.kind == "fraction":
            return self.value
        if self.kind == "otsu":
            return otsu_fraction(values, highest)
        cut = float(np.percentile(values.ravel(), self.value))
        return min(max(cut / highest, 0.0), 1.0)


def otsu_fraction(values: np.ndarray, highest: float) -> float:
    """Otsu's threshold as a fraction of ``highest``, on 256 equal bins from 0 to it.

    The split with the largest variance between the two classes; the lowest of equal ones; the class
    above starts at the returned fraction. Source: Otsu 1979, "A Threshold Selection Method from
    Gray-Level Histograms".
    """
    scaled = values.ravel().astype(np.float64) * (OTSU_BINS / float(highest))
    bins = np.minimum(scaled.astype(np.int64), OTSU_BINS - 1)
    counts = np.bincount(bins, minlength=OTSU_BINS).astype(np.float64)
    below = np.cumsum(counts)[:-1]
    moment = np.cumsum(counts * np.arange(OTSU_BINS))
    above = counts.sum() - below
    both = (below > 0) & (above > 0)
    if not both.any():  # all pixels in one bin: nothing to split
        return 0.0
    spread = moment[-1] * below - counts.sum() * moment[:-1]
    between = np.where(both, spread**2 / np.where(both, below * above, 1.0), -1.0)
    return float((between.argmax() + 1) / OTSU_BINS)
