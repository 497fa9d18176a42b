"""Metrics of a set of records: what has no value for one record, or is chosen over many.

Sources: Choe et al. 2020, "Evaluating Weakly Supervised Object Localization Methods Right"
(MaxBoxAcc, MaxBoxAccV2, PxAP); Selvaraju et al. 2017, Grad-CAM, section on the pointing game
(pointing with recall).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# IoU at which a box counts as found (Choe et al. 2020).
BOX_LEVELS = (0.3, 0.5, 0.7)


class MaxBoxAcc(NamedTuple):
    """MaxBoxAcc at each of :data:`BOX_LEVELS`; their mean is MaxBoxAccV2."""

    values: np.ndarray
    """float64 (3,)."""
    places: np.ndarray
    """int64 (3,), the best threshold's place in the sweep; the first of equal ones."""

    @property
    def v2(self) -> float:
        return float(self.values.mean())


def max_box_acc(sweep: np.ndarray) -> MaxBoxAcc | None:
    """Share of boxes found at the one threshold, for the whole set, at which it is largest.

    ``sweep`` float64 (n, thresholds): each record's box IoU; NaN rows were not observed and are left
    out. None for no record. An upper bound: the threshold is chosen on what it scores.
    """
    seen = sweep[observed(sweep)]
    if not seen.size:
        return None
    shares = np.stack([(seen >= level).mean(axis=0) for level in BOX_LEVELS])
    places = shares.argmax(axis=1)
    return MaxBoxAcc(shares[np.arange(len(BOX_LEVELS)), places], places)


def best_threshold(sweep: np.ndarray) -> int | None:
    """Place of the threshold with the largest mean mask IoU over the records; None for no record.

    ``sweep`` float64 (n, thresholds), NaN rows left out; the lowest of equally good thresholds.
    """
    seen = sweep[observed(sweep)]
    return int(seen.mean(axis=0).argmax()) if seen.size else None


def observed(sweep: np.ndarray) -> np.ndarray:
    """bool (n,): the records of which a sweep (n, thresholds) was taken."""
    return ~np.isnan(sweep).any(axis=1)


def pixel_average_precision(inside: np.ndarray, outside: np.ndarray) -> float | None:
    """PxAP: the area under the precision-recall curve of all pixels of all records together.

    ``inside``, ``outside`` float (n, steps): each record's pixels of M, and others, at each level of
    its map, rising, as shares of V; NaN rows are left out. The curve's points are {A >= the lower
    edge of a step}, from the highest, and its area is that of the rectangles under the later of two
    neighbouring points, as in the paper. None for no record.
    """
    known = observed(inside)
    if not known.any():
        return None
    true, false = (
        counts[known].sum(axis=0, dtype=np.float64)[::-1].cumsum() for counts in (inside, outside)
    )
    precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
    recall = true / true[-1]
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def recall_hits(maxima: np.ndarray, hits: np.ndarray, threshold: float) -> np.ndarray:
    """Pointing with recall: 1 for each right decision on an explained class, else 0; float64 (n,).

    A class whose map's maximum is under the threshold is rejected. ``hits`` float64 (n,): 1 or 0
    where the class is in the image and its map points at it or not, NaN where the class is absent.
    A present class has to be kept and hit, an absent one to be rejected.
    """
    kept = maxima >= threshold
    return np.where(np.isnan(hits), ~kept, kept & (hits == 1)).astype(np.float64)


def rejection_threshold(maxima: np.ndarray, hits: np.ndarray) -> float | None:
    """The threshold on the map's maximum with the most right decisions; arguments as above.

    One of the maxima, 0 (rejects none) or just above the largest (rejects all); the lowest of equally
    good ones. None for no record.
    """
    if not len(maxima):
        return None
    order = np.argsort(maxima, kind="stable")
    highest = np.nextafter(maxima[order[-1]], np.inf)
    candidates = np.unique(np.concatenate(([0.0], maxima, [highest])))
    below = maxima[order].searchsorted(candidates)
    found = np.concatenate(([0], (hits[order] == 1).cumsum()))
    absent = np.concatenate(([0], np.isnan(hits[order]).cumsum()))
    right = found[-1] - found[below] + absent[below]
    return float(candidates[right.argmax()])
