"""The verdict on a class: does its evidence show maps that lie off the object?

Two steps, since one class's verdict depends on how many classes are tested: p-values of all classes
(:func:`class_p_values`), q-values over them (:func:`class_q_values`), then a verdict for each
(:func:`class_verdict`). :func:`class_verdicts` does all three.

The verdict is about heatmaps. Whether the model itself relies on the background is for the causal
confirmation to say, and the sentences here promise no more than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import clopper_pearson_upper
from .significance import CORRECTIONS, binomial_excess_p, false_discovery_q

Verdict = Literal["pass", "flagged", "insufficient", "inconclusive"]


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """The numbers of the rule; ``ValueError`` where one is out of its range."""

    min_eligible: int = 30
    """Fewer eligible records are ``insufficient``."""
    max_rate: float = 0.30
    """The background-focused rate that is tolerated: H0 of the test and the bound of a pass."""
    alpha: float = 0.05
    """Error level of each claim: q to flag, 1 - confidence of the bound and p of a pass."""
    correction: str = "bh"
    """``bh`` or ``by``, see :func:`.significance.false_discovery_q`."""
    shuffled_share: float = 0.5
    """A flagged class's rate is at least this share of its shuffled maps' rate."""

    def __post_init__(self) -> None:
        if self.min_eligible < 1:
            raise ValueError(f"min_eligible: expected at least 1, received {self.min_eligible}")
        for name in ("max_rate", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected in (0, 1), received {getattr(self, name)}")
        if self.correction not in CORRECTIONS:
            raise ValueError(f"correction: expected {CORRECTIONS}, received {self.correction!r}")
        if not self.shuffled_share >= 0:
            raise ValueError(f"shuffled_share: expected >= 0, received {self.shuffled_share}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvidence:
    """What was observed of one class, over its eligible records."""

    n_eligible: int
    n_background_focused: int
    shuffled_rate: float | None = None
    """Background-focused rate of same-class maps of other images; None or NaN: not known."""
    permutation_p: float | None = None
    """p of "own maps do no better than shuffled ones"; None or NaN: not known."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why other records of the class do not count, in words that go on from "because", and how many
    each; told where too few are left."""

    def __post_init__(self) -> None:
        if not 0 <= self.n_background_focused <= self.n_eligible:
            raise ValueError(
                "n_background_focused: expected 0 to n_eligible "
                f"({self.n_eligible}), received {self.n_background_focused}"
            )

    @property
    def rate(self) -> float:
        """Background-focused rate of the eligible records; NaN without any."""
        return self.n_background_focused / self.n_eligible if self.n_eligible else math.nan


@dataclass(frozen=True, slots=True)
class ClassVerdict:
    """A verdict, the figures it rests on, and the sentence that says so."""

    verdict: Verdict
    reason: str
    """One plain sentence with the figures, for a reader who is no statistician."""
    rate: float
    upper_bound: float
    """One-sided Clopper-Pearson bound of the rate; NaN without eligible records."""
    p_value: float
    """NaN for a class that was not tested (``insufficient``)."""
    q_value: float


def class_p_values(
    evidence: Sequence[ClassEvidence], rule: VerdictRule | None = None
) -> NDArray[np.float64]:
    """Exact binomial p of H0 "rate <= ``max_rate``" for every class that is tested; (k,) float64.

    A class with fewer than ``min_eligible`` records gets NaN and is no member of the family that
    is corrected. It can never be flagged, so it makes no claim that could be false, and its p, near
    1 or unable to get small, would only raise the others' q: a data set with a long tail of rare
    classes would hide the one bad class. The choice is fair since it looks at the number of
    eligible records alone and never at their outcome.

    The family is the classes handed over together: those of one model and one method. Overall rows
    (``__all__``) are not classes and stay out.
    """
    rule = rule or VerdictRule()
    n = np.array([e.n_eligible for e in evidence], dtype=np.int64)
    k = np.array([e.n_background_focused for e in evidence], dtype=np.int64)
    return np.where(n >= rule.min_eligible, binomial_excess_p(k, n, rule.max_rate), np.nan)


def class_q_values(p: ArrayLike, rule: VerdictRule | None = None) -> NDArray[np.float64]:
    """q over the classes that have a p, by the rule's correction; (k,) float64, NaN stays NaN."""
    return false_discovery_q(p, (rule or VerdictRule()).correction)


def class_verdict(
    evidence: ClassEvidence, p_value: float, q_value: float, rule: VerdictRule | None = None
) -> ClassVerdict:
    """The verdict on one class (metrics.md, "The class verdict").

    - ``insufficient``: fewer than ``min_eligible`` records.
    - ``flagged``: q <= alpha, and the rate is at least ``shuffled_share`` of the shuffled rate. A
      class whose maps were twice as often on the object as other images' maps does follow it.
    - ``pass``: the upper bound is under ``max_rate``, and own maps beat shuffled ones (p <= alpha):
      on large objects a map that ignores its image would pass any bound on the rate.
    - ``inconclusive``: otherwise, also where the figure that is needed is not known.

    Parameters
    ----------
    p_value, q_value: this class's, from :func:`class_p_values` and :func:`class_q_values`.

    Raises
    ------
    ValueError: a class with enough records comes without p or q.
    """
    rule = rule or VerdictRule()
    upper = float(
        clopper_pearson_upper(evidence.n_background_focused, evidence.n_eligible, 1 - rule.alpha)
    )
    verdict, reason = _decide(evidence, float(q_value), upper, rule)
    if verdict != "insufficient" and (math.isnan(p_value) or math.isnan(q_value)):
        raise ValueError("p_value, q_value: expected numbers for a class with enough records")
    return ClassVerdict(verdict, reason, evidence.rate, upper, float(p_value), float(q_value))


def class_verdicts(
    evidence: Sequence[ClassEvidence], rule: VerdictRule | None = None
) -> list[ClassVerdict]:
    """p, q and verdict of all classes of one model and method, in the order given."""
    rule = rule or VerdictRule()
    p = class_p_values(evidence, rule)
    q = class_q_values(p, rule)
    return [class_verdict(e, *pq, rule) for e, *pq in zip(evidence, p, q, strict=True)]


# --- the rule and its sentences -------------------------------------------------------------------


def _decide(
    evidence: ClassEvidence, q: float, upper: float, rule: VerdictRule
) -> tuple[Verdict, str]:
    if evidence.n_eligible < rule.min_eligible:
        return "insufficient", (
            f"Too few images to judge by: {evidence.n_eligible} of the {rule.min_eligible} that are "
            f"needed{_main_reason(evidence)}."
        )
    if q <= rule.alpha:
        return _decide_high(evidence, q, rule)
    if upper < rule.max_rate:
        return _decide_low(evidence, upper, rule)
    return "inconclusive", (
        f"{_observed(evidence)}, which settles nothing: with {_percent(1 - rule.alpha)} confidence "
        f"the true rate may be as high as {_percent(upper)}, and more than the "
        f"{_percent(rule.max_rate)} tolerated is not shown either ({_chance(q, rule)})."
    )


def _decide_high(evidence: ClassEvidence, q: float, rule: VerdictRule) -> tuple[Verdict, str]:
    """The rate is significantly above the margin: is it also the maps' own doing?"""
    told = (
        f"{_observed(evidence)}, more than the {_percent(rule.max_rate)} tolerated and more than "
        f"chance explains ({_chance(q, rule)})"
    )
    shuffled = _known(evidence.shuffled_rate)
    if shuffled is None:
        return "inconclusive", (
            f"{told}, but there are no heatmaps of other images of the class to hold it against."
        )
    others = f"heatmaps of other images of the class would do so in {_percent(shuffled)}"
    if evidence.rate >= rule.shuffled_share * shuffled:
        return "flagged", f"{told}; {others}."
    return "inconclusive", f"{told}, yet {others}: those of these images do follow the object."


def _decide_low(evidence: ClassEvidence, upper: float, rule: VerdictRule) -> tuple[Verdict, str]:
    """The rate is certainly under the margin: do the maps follow their own image at all?"""
    told = (
        f"{_observed(evidence)}; with {_percent(1 - rule.alpha)} confidence the true rate is "
        f"at most {_percent(upper)}, within the {_percent(rule.max_rate)} tolerated"
    )
    p = _known(evidence.permutation_p)
    if p is None:
        return "inconclusive", (
            f"{told}, but whether the heatmaps follow their own image was not tested."
        )
    dealt = (
        "dealt out at random among these images, they would fit as well with a probability of "
        f"p {told_p(p)}"
    )
    if p <= rule.alpha:
        return "pass", (
            f"{told}, and the heatmaps fit their own images better than other images of the class "
            f"({dealt})."
        )
    return "inconclusive", (
        f"{told}, but the heatmaps fit other images of the class as well as their own ({dealt}), "
        "so that a low rate cannot clear the class."
    )


def _chance(q: float, rule: VerdictRule) -> str:
    """What q is, in words: an adjusted p of the tolerated rate."""
    return (
        f"if {_percent(rule.max_rate)} were true, so many would be seen with a probability of "
        f"q {told_p(q)}, corrected for the number of classes"
    )


def _main_reason(evidence: ClassEvidence) -> str:
    """Why most of the other records do not count; of equals the one that is named first."""
    total = sum(evidence.left_out.values())
    if not total:
        return ""
    reason, count = max(evidence.left_out.items(), key=lambda item: item[1])
    return f"; others do not count, {count} of {total} because {reason}"


def _observed(evidence: ClassEvidence) -> str:
    return (
        f"In {evidence.n_background_focused} of {evidence.n_eligible} images "
        f"({_percent(evidence.rate)}) the heatmap lies on the background"
    )


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _percent(rate: float) -> str:
    """One decimal, dropped where it is 0: 68 %, 6.3 %."""
    return f"{100 * rate:.1f}".removesuffix(".0") + " %"


def told_p(p: float) -> str:
    """Relation and number: two figures in plain digits, down to .0001."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"
