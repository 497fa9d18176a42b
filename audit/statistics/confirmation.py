"""Causal confirmation: does the model answer from the background, once the image is changed?

For each record and fill, r = min(1, p_f / p0) is what is left of the class's probability when the
object is removed (O), its background (B), or as much background as the object is large (C);
D = C - O. Means over records with 95 % intervals clustered by image decide, fill by fill, and no
fill decides alone: each puts the image off what the model was trained on, in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import Estimate, clustered_mean

FillState = Literal["background", "object", "unclear"]
State = Literal["confirmed", "refuted", "mixed", "heatmap_only", "not_run"]
# Beyond this share of the image there is no background of the object's size.
MAX_CONTROL_AREA = 0.5


@dataclass(frozen=True, slots=True)
class ConfirmationRule:
    """The numbers of the rule; ``ValueError`` where one is out of its range."""

    min_records: int = 30
    """Fewer records decide nothing: of a class, and of the controls a fill is tried on."""
    half: float = 0.5
    """Share of the probability that has to be left, or lost."""
    max_difference: float = 0.25
    """How much more the object's removal may cost than that of as much background."""

    def __post_init__(self) -> None:
        if self.min_records < 2:
            raise ValueError(f"min_records: expected at least 2, received {self.min_records}")
        for name in ("half", "max_difference"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected in (0, 1), received {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class FillEvidence:
    """What one fill did to the records of a class, or of all controls together."""

    object_removed: Estimate
    """O; NaN and n 0 where it was not measured, and so for the others."""
    background_removed: Estimate
    """B."""
    control_removed: Estimate
    """C."""
    difference: Estimate
    """D, over the records that have both."""


def kept_share(changed: ArrayLike, before: ArrayLike) -> NDArray[np.float64]:
    """r = min(1, p_f / p0); float64, NaN where the changed probability was not observed.

    Raises
    ------
    ValueError: a probability before the change that is not positive.
    """
    changed, before = np.asarray(changed, np.float64), np.asarray(before, np.float64)
    if not (before > 0).all():
        raise ValueError("before: expected positive probabilities")
    return np.minimum(changed / before, 1.0)


def fill_evidence(
    object_removed: ArrayLike,
    background_removed: ArrayLike,
    control_removed: ArrayLike,
    clusters: ArrayLike,
    seed: int = 0,
) -> FillEvidence:
    """The four means with their intervals.

    Parameters
    ----------
    object_removed, background_removed, control_removed: (m,) of r; NaN where not observed.
    clusters: (m,) image of each record.
    """
    shares = [
        np.asarray(v, np.float64) for v in (object_removed, background_removed, control_removed)
    ]
    differences = shares[2] - shares[0]
    return FillEvidence(*(clustered_mean(v, clusters, seed=seed) for v in (*shares, differences)))


def fill_is_valid(controls: FillEvidence, rule: ConfirmationRule) -> bool:
    """Whether a fill does on controls what it is meant to do.

    On classes that are known to look at the object, its removal has to cost most of the
    probability, and the removal of as much background has to leave most of it.
    """
    gone, stays = controls.object_removed, controls.control_removed
    enough = min(gone.n, stays.n) >= rule.min_records
    return bool(enough and gone.high < rule.half and stays.low > rule.half)


def fill_state(evidence: FillEvidence, rule: ConfirmationRule) -> FillState:
    """What one valid fill says of a class.

    - ``background``: lower(O) > half and upper(D) < ``max_difference``: the answer stays without
      the object, and the object's removal costs hardly more than that of as much background.
    - ``object``: upper(O) < half: without the object the answer goes.
    - ``unclear``: otherwise, also where too few records have what is needed.
    """
    gone, difference = evidence.object_removed, evidence.difference
    if gone.n < rule.min_records:
        return "unclear"
    if gone.high < rule.half:
        return "object"
    small = difference.n >= rule.min_records and difference.high < rule.max_difference
    return "background" if gone.low > rule.half and small else "unclear"


def class_state(
    evidence: Mapping[str, FillEvidence], kinds: Mapping[str, str], rule: ConfirmationRule
) -> State:
    """What all valid fills together say of a class (metrics.md, "Causal confirmation").

    - ``not_run``: no valid fill of each kind (``colour``, ``content``), or too few records.
    - ``confirmed``: every fill says background, and upper(B) < half wherever B was measured, which
      has to be once: without the background the answer goes. A class that keeps it without either
      is what the network answers to anything, and relies on nothing.
    - ``refuted``: every fill says object, and lower(B) > half wherever B was measured, which has to
      be once: the object alone carries the answer.
    - ``mixed``: some fill says background and some says object.
    - ``heatmap_only``: otherwise. The heatmaps said it, and changing the image did not settle it.

    Parameters
    ----------
    evidence: valid fill -> what it did to the class.
    kinds: valid fill -> its kind.
    """
    measured = {f: e for f, e in evidence.items() if e.object_removed.n >= rule.min_records}
    if {kinds[f] for f in measured} != {"colour", "content"}:
        return "not_run"
    states = {fill_state(e, rule) for e in measured.values()}
    without = _without_background(measured, rule)
    if states == {"background"} and without and all(high < rule.half for _, high in without):
        return "confirmed"
    if states == {"object"} and without and all(low > rule.half for low, _ in without):
        return "refuted"
    return "mixed" if {"background", "object"} <= states else "heatmap_only"


def _without_background(
    evidence: Mapping[str, FillEvidence], rule: ConfirmationRule
) -> list[tuple[float, float]]:
    """Limits of B for each fill by which it was measured; NaN where too few records tell nothing."""
    found = [e.background_removed for e in evidence.values() if e.background_removed.n]
    return [(b.low, b.high) if b.n >= rule.min_records else (math.nan, math.nan) for b in found]
