"""What the changed images say: rows of ``confirmation.csv``, and each class's state in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audit.config.model import Config
from audit.fills import FILLS
from audit.stages.confirm_plan import CONTROL, Plan
from audit.stages.confirm_trial import Trial, evidence_of
from audit.statistics import ConfirmationRule, FillEvidence, class_state, fill_state

# Name of the rows over all control records, on which the fills are tried.
CONTROLS = "__controls__"
MEANS = ("object_removed", "background_removed", "control_removed", "difference")
COLUMNS = (
    "class", "fill", "kind", "n", "n_without_control",
    *(name + end for name in MEANS for end in ("", "_low", "_high")),
    "valid", "state", "reason",
)  # fmt: skip


def confirmation_rule(config: Config) -> ConfirmationRule:
    return ConfirmationRule(min_records=config.confirm.min_records)


def tables(
    plan: Plan, trial: Trial, changes: pd.DataFrame, config: Config
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Rows of ``confirmation.csv``, and the content of ``classes.json``."""
    rule, seed = confirmation_rule(config), config.audit.seed
    controls = changes[changes["control"].astype(bool)]
    rows = [_control_row(f, controls, trial, rule) for f in trial.evidence if len(controls)]
    told: dict[str, dict[str, Any]] = {}
    for name in plan.asked:
        own = plan.records.loc[plan.records["target_class"] == name, "file_name"]
        mine = changes[(changes["target_class"] == name) & changes["file_name"].isin(own)]
        evidence = {f: evidence_of(mine, f, seed) for f in dict.fromkeys(mine["fill"])}
        for f, e in evidence.items():
            state = fill_state(e, rule) if f in trial.valid else ""
            rows.append(_row(name, f, mine, e, f in trial.valid, state, _why(f, trial, rule)))
        told[name] = _told(evidence, trial, len(plan.controls), rule)
    for name, reason in plan.not_run.items():
        told[name] = {"state": "not_run", "reason": reason, "n": 0}
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_without_control": "Int64"})
    return table, dict(sorted(told.items()))


def _control_row(
    fill: str, controls: pd.DataFrame, trial: Trial, rule: ConfirmationRule
) -> dict[str, Any]:
    """How a fill did on the controls by which it is judged, and which are left out."""
    out, evidence = trial.left_out[fill], trial.evidence[fill]
    judged = controls[~controls["target_class"].isin(out)]
    told = [_fault(evidence, rule)]
    if out:
        told.append(
            f"left out: {', '.join(sorted(out))}, which other classes are given without their object"
        )
    reason = "; ".join(filter(None, told))
    return _row(CONTROLS, fill, judged, evidence, fill in trial.valid, "", reason)


def _row(
    name: str,
    fill: str,
    changes: pd.DataFrame,
    evidence: FillEvidence,
    valid: bool,
    state: str,
    reason: str,
) -> dict[str, Any]:
    mine = changes[(changes["fill"] == fill) & (changes["removed"] == CONTROL)]
    row: dict[str, Any] = {
        "class": name,
        "fill": fill,
        "kind": FILLS.get(fill).kind,
        "n": max(e.n for e in (evidence.object_removed, evidence.background_removed)),
        "n_without_control": int(mine["r"].isna().sum()) if len(mine) else pd.NA,
    }
    for column in MEANS:
        mean = getattr(evidence, column)
        row |= {column: mean.value, f"{column}_low": mean.low, f"{column}_high": mean.high}
    return {**row, "valid": valid, "state": state, "reason": reason}


def _why(fill: str, trial: Trial, rule: ConfirmationRule) -> str:
    """Why a fill decides nothing; empty for one that does."""
    if fill in trial.valid:
        return ""
    if fill in trial.evidence:
        return _fault(trial.evidence[fill], rule)
    return "not tried on controls: others decide"


def _fault(controls: FillEvidence, rule: ConfirmationRule) -> str:
    """What a fill did wrong on the controls; empty where nothing."""
    gone, stays = controls.object_removed, controls.control_removed
    if not gone.n or not stays.n:
        return "not valid: there was no control to try it on"
    if min(gone.n, stays.n) < rule.min_records:
        return f"not valid: {min(gone.n, stays.n)} control records, {rule.min_records} are needed"
    if not gone.high < rule.half:
        return "not valid: on controls the answer survives the object's removal"
    if not stays.low > rule.half:
        return "not valid: on controls as much background costs the answer"
    return ""


def _told(
    evidence: Mapping[str, FillEvidence], trial: Trial, n_controls: int, rule: ConfirmationRule
) -> dict[str, Any]:
    """An entry of ``classes.json``."""
    able = {f: e for f, e in evidence.items() if f in trial.valid}
    state = class_state(able, {f: FILLS.get(f).kind for f in able}, rule)
    n = max((e.object_removed.n for e in evidence.values()), default=0)
    if state == "not_run":
        reason = _why_not_run(trial, n, n_controls, rule)
    else:
        reason = _sentence(state, able, n, rule)
    return {"state": state, "reason": reason, "n": n}


def _why_not_run(trial: Trial, n: int, n_controls: int, rule: ConfirmationRule) -> str:
    if n < rule.min_records:
        return f"Too few images could be changed: {n}, {rule.min_records} are needed."
    if n_controls < rule.min_records:
        return (
            f"Too little to try the fills on: {n_controls} records (of passing classes, with as much "
            f"background as object; at most confirm.controls), {rule.min_records} are needed."
        )
    decides = {FILLS.get(f).kind for f in trial.valid}
    lost = "; ".join(
        f"{f} {_fault(e, rule)}"
        for f, e in trial.evidence.items()
        if f not in trial.valid and FILLS.get(f).kind not in decides
    )
    kinds = " and ".join(kind for kind in ("colour", "content") if kind not in decides)
    return f"No valid fill of {kinds}" + (f": {lost}." if lost else " in confirm.fills.")


def _sentence(state: str, able: Mapping[str, FillEvidence], n: int, rule: ConfirmationRule) -> str:
    """Why the state is what it is, for a reader who is no statistician."""
    gone = _percents(able, "object_removed")
    told = f"In {n} images with the object taken away the model keeps {gone} of its probability"
    if state == "confirmed":
        stays, without = (_percents(able, f"{what}_removed") for what in ("control", "background"))
        return (
            f"{told}, with as much background {stays}, with all background {without}: "
            "it answers from the background."
        )
    if state == "refuted":
        stays = _percents(able, "background_removed")
        return f"{told}, with the background taken away {stays}: it answers from the object."
    if state == "mixed":
        return f"{told}: the fills contradict each other."
    states = {fill_state(e, rule) for e in able.values()}
    stays = _percents(able, "background_removed") or "an unknown share"
    if states == {"object"}:
        return f"{told}, with the background taken away {stays}: it needs the object and more."
    if states == {"background"}:
        return (
            f"{told}, with the background taken away {stays}: it does without the object, but that it "
            "needs the background is not shown; this may be its answer to anything."
        )
    return f"{told}: that neither confirms nor refutes that it answers from the background."


def _percents(able: Mapping[str, FillEvidence], column: str) -> str:
    """A mean by each fill: 93 % (mean), 88 % (donor)."""
    means: Sequence[tuple[str, float]] = [
        (f, getattr(e, column).value) for f, e in able.items() if getattr(e, column).n
    ]
    return ", ".join(f"{100 * value:.0f} % ({f})" for f, value in means)
