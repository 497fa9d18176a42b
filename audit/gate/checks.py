"""The checks that a policy makes of a report, before anybody has waived any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from audit.config.gate import ClassLimits, GateSection, Limits
from audit.gate.figures import Figure, Report, Row, difference, figure, share

Found = Literal["pass", "warn", "fail", "not_observed"]
State = Literal["pass", "warn", "fail", "waived", "not_observed"]

# A figure this close to its limit lies on it: .8 - .75 is not quite .05 in binary.
ROUNDING = 1e-9
JUDGED = ("pass", "flagged")
VERDICT = "verdict"
NO_VERDICT = "no_verdict"
FINDINGS = {
    "confirmed": "changing the image confirmed that the model relies on the background",
    "flagged": "flagged by the heatmaps",
    "refuted": "flagged by the heatmaps, and refuted by changing the image",
    "inconclusive": "could not be judged (inconclusive)",
    "insufficient": "too few eligible records to be judged (insufficient)",
    "pass": "pass",
}
FITNESS = {"fit": "fit", "unfit": "not fit"}
SHOWN = {
    "holds": "shown to hold",
    "broken": "shown to be broken",
    "open": "neither shown to hold nor to be broken",
}
CALLED = {
    "eligible": "number of eligible records",
    "background_focused_rate": "background-focused rate",
    "mean_iou": "mean IoU",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the policy asks, and what was found."""

    class_name: str | None
    """None: asked of all classes together."""
    limit: str
    """The key of the policy; ``verdict`` for what a class's verdict is."""
    finding: str
    """What a waiver has to name: the limit's key, or what the verdict found."""
    bound: float | str | None
    observed: float | str | None
    low: float | None
    high: float | None
    n: int | None
    shown: Literal["holds", "broken", "open"] | None
    """What the interval says of the limit, whatever it is compared with; None without an interval."""
    found: Found
    """What came out, before anybody waives it."""
    breaks: bool
    """Whether the policy fails by it, unless it is waived."""
    sentence: str
    waived: bool = False

    @property
    def state(self) -> State:
        """How it stands."""
        return "waived" if self.waived else self.found

    @property
    def fails(self) -> bool:
        """Whether the policy fails by it."""
        return self.breaks and not self.waived

    @property
    def scope(self) -> str:
        """``overall`` or ``class``."""
        return "overall" if self.class_name is None else "class"


def evaluate(policy: GateSection, report: Report, baseline: Report | None) -> list[Check]:
    """Every check of the policy: of all classes together, then class by class in the table's order.

    ``baseline``: an earlier run, for the relative limits; None where the policy names none.
    """
    before = {} if baseline is None else {row["class"]: row for row in baseline.classes}
    checks = [*_counts(policy, report), *_fitness(policy, report)]
    checks += _figures(policy, policy.overall, report.overall, None, baseline and baseline.overall)
    for row in report.classes:
        name, old = row["class"], before.get(row["class"])
        limits = policy.limits_of(name)
        checks.append(_verdict(policy, limits, row, old, baseline is not None))
        checks += _figures(policy, limits, row, name, old)
    return checks


def _counts(policy: GateSection, report: Report) -> Iterator[Check]:
    """How many classes have which verdict, and how many images were left out."""
    limits, total = policy.overall, len(report.classes)
    judged = sum(row["verdict"] in JUDGED for row in report.classes)
    counted = {
        "max_confirmed": sum(row["confirmation"] == "confirmed" for row in report.classes),
        "max_flagged": sum(row["verdict"] == "flagged" for row in report.classes),
    }
    if limits.min_judged:
        what = "number of classes that could be judged"
        yield _held(policy, "min_judged", limits.min_judged, _count(judged, total), None, what)
    for key, count in counted.items():
        if (bound := getattr(limits, key)) is not None:
            what = f"number of {key.removeprefix('max_')} classes"
            yield _held(policy, key, bound, _count(count, total), None, what)
    if (bound := limits.max_excluded_share) is not None:
        left_out = share(report.images_excluded, report.images_in)
        what = "share of images left out"
        yield _held(policy, "max_excluded_share", bound, left_out, None, what)


def _count(count: int, total: int) -> Figure:
    return Figure(count, n=total, exact=True)


def _fitness(policy: GateSection, report: Report) -> Iterator[Check]:
    """Whether the explanation is fit to judge by."""
    if policy.fitness == "any":
        return
    found = next((row["fitness"] for row in report.classes if row["fitness"]), "not_run")
    unknown = found not in FITNESS and policy.fitness == "fit"
    outcome: Found = "fail" if found == "unfit" else "not_observed" if unknown else "pass"
    told = FITNESS.get(found, "not known to be fit")
    yield Check(
        class_name=None, limit="fitness", finding="fitness", bound=policy.fitness, observed=found,
        low=None, high=None, n=None, shown=None, found=outcome, breaks=_breaks(policy, outcome),
        sentence=f"the explanation ({report.method} at {report.layer}) is {told} to judge by",
    )  # fmt: skip


def _verdict(
    policy: GateSection, limits: ClassLimits, row: Row, old: Row | None, has_baseline: bool
) -> Check:
    """What a class's verdict, with its confirmation, means for the policy."""
    finding = _finding(row)
    if finding == NO_VERDICT:
        return _unjudged(policy, row)
    consequence = "ignore" if finding == "pass" else getattr(limits, finding)
    new = has_baseline and (old is None or old["verdict"] != "flagged")
    sentence = FINDINGS[finding]
    if finding == "flagged":
        sentence += f" (confirmation: {row['confirmation'].replace('_', ' ')})"
        if new:
            sentence += "; not so in the baseline"
            consequence = "fail" if policy.no_new_flagged else consequence
    outcome: Found = "pass" if consequence == "ignore" else consequence
    eligible = figure(row, "eligible").value
    return Check(
        class_name=row["class"], limit=VERDICT, finding=finding, bound=None,
        observed=row["verdict"], low=None, high=None, n=None if eligible is None else int(eligible),
        shown=None, found=outcome, breaks=outcome == "fail", sentence=f"{row['class']}: {sentence}",
    )  # fmt: skip


def _finding(row: Row) -> str:
    """The verdict as the policy knows it: a confirmation outweighs what the heatmaps say."""
    if row["confirmation"] == "confirmed":
        return "confirmed"
    if row["verdict"] == "flagged" and row["confirmation"] == "refuted":
        return "refuted"
    return row["verdict"] or NO_VERDICT


def _unjudged(policy: GateSection, row: Row) -> Check:
    """A baseline, which looks at nothing, judges nothing."""
    return Check(
        class_name=row["class"], limit=VERDICT, finding=NO_VERDICT, bound=None, observed=None,
        low=None, high=None, n=None, shown=None, found="not_observed",
        breaks=_breaks(policy, "not_observed"), sentence=f"{row['class']}: has no verdict",
    )  # fmt: skip


def _figures(
    policy: GateSection, limits: Limits, row: Row, name: str | None, old: Row | None
) -> Iterator[Check]:
    """The limits on a row's own figures, and on how they changed since the baseline."""
    for key, bound in _in_use(limits).items():
        kind, _, figure_name = key.partition("_")
        change, _, changed = figure_name.partition("_")
        if change not in ("drop", "rise"):
            told = CALLED.get(figure_name, figure_name.replace("_", " "))
            yield _held(policy, key, bound, figure(row, figure_name), name, told)
            continue
        now, then = figure(row, changed), figure(old or {}, changed)
        moved = difference(then, now) if change == "drop" else difference(now, then)
        yield _held(policy, key, bound, moved, name, f"{change} of {changed.replace('_', ' ')}")


def _in_use(limits: Limits) -> Mapping[str, float]:
    values = {key: getattr(limits, key) for key in Limits.model_fields}
    return {key: value for key, value in values.items() if value is not None}


def _held(
    policy: GateSection, key: str, bound: float, seen: Figure, name: str | None, what: str
) -> Check:
    """A figure against its limit: ``min_...`` is the least that is allowed, ``max_...`` the most."""
    least = key.startswith("min_")
    compared = _compared(policy.compare, seen, least)
    outcome: Found
    if compared is None:
        outcome = "not_observed"
    else:
        outcome = "pass" if _within(compared, bound, least) else "fail"
    shown = _shown(seen, bound, least)
    subject = "all classes" if name is None else name
    limit = f"the limit is at {'least' if least else 'most'} {bound:.4g}"
    remark = f", {SHOWN[shown]}" if shown else ""
    return Check(
        class_name=name, limit=key, finding=key, bound=bound, observed=seen.value, low=seen.low,
        high=seen.high, n=seen.n, shown=shown, found=outcome, breaks=_breaks(policy, outcome),
        sentence=f"{subject}: {what} {_told(seen)}; {limit}{remark}",
    )  # fmt: skip


def _breaks(policy: GateSection, outcome: Found) -> bool:
    return outcome == "fail" or (outcome == "not_observed" and policy.not_observed == "fail")


def _compared(compare: str, seen: Figure, least: bool) -> float | None:
    """The figure, or the end of its interval, that the limit is held against."""
    if compare == "estimate" or seen.exact:
        return seen.value
    lower_end = (compare == "pessimistic") == least
    return seen.low if lower_end else seen.high


def _within(value: float, bound: float, least: bool) -> bool:
    return value >= bound - ROUNDING if least else value <= bound + ROUNDING


def _shown(seen: Figure, bound: float, least: bool) -> Literal["holds", "broken", "open"] | None:
    """What the interval says of the limit."""
    if seen.low is None or seen.high is None:
        return None
    worse, better = (seen.low, seen.high) if least else (seen.high, seen.low)
    if _within(worse, bound, least):
        return "holds"
    return "open" if _within(better, bound, least) else "broken"


def _told(seen: Figure) -> str:
    """The figure, its interval and what it was observed on, as a reader is told them."""
    if seen.value is None:
        return "was not observed"
    beside = []
    if seen.low is not None and seen.high is not None:
        beside.append(f"{seen.low:.4g} to {seen.high:.4g}")
    if seen.n is not None:
        beside.append(f"of {seen.n}" if seen.exact else f"n {seen.n}")
    return f"is {seen.value:.4g}" + (f" ({', '.join(beside)})" if beside else "")
