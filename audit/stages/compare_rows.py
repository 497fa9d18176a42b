"""What changed in each class between two runs: a row a class, and one over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audit.stages.compare_pairs import MEANS, OUTCOMES, REASONS, PairedRecords, once
from audit.stages.figures import ALL, mean_observed
from audit.statistics import (
    ChangeRule,
    Estimate,
    Pairs,
    State,
    answers_sentence,
    change_sentence,
    false_discovery_q,
    mean_change,
    pair_outcomes,
)

# How columns name the three outcomes.
NAMES = dict(zip(OUTCOMES, ("focused", "pointing", "correct"), strict=True))
VERDICTS = ("verdict", "confirmation")


class _Measured(NamedTuple):
    """Counts and changes of one class, or of all."""

    counts: dict[str, int]
    outcomes: dict[str, Pairs]
    means: dict[str, tuple[float, float, Estimate]]
    """Figure -> its mean in the old and in the new run, and its change."""
    main_reason: str
    """Why most records do not count, as a clause."""


def class_rows(
    paired: PairedRecords,
    classes: Sequence[str],
    verdicts: Mapping[str, Mapping[str, Mapping[str, str]]],
    seed: int,
    rule: ChangeRule,
) -> list[dict[str, Any]]:
    """Rows of ``comparison.csv``, :data:`~audit.stages.figures.ALL` last; NaN for not observed.

    ``verdicts``: run (``old``, ``new``) -> class -> its row of ``per_class.csv``.
    """
    of_class = [_measure(_of(paired, name), seed) for name in classes]
    focused = [found.outcomes["background_focused"] for found in of_class]
    states, q_focused = rule.states(focused)
    q = {"background_focused": q_focused}
    for name in OUTCOMES[1:]:
        q[name] = false_discovery_q([found.outcomes[name].p for found in of_class])
    rows = []
    for k, (name, found) in enumerate(zip(classes, of_class, strict=True)):
        own_q = {outcome: float(values[k]) for outcome, values in q.items()}
        own = {run: verdicts[run].get(name, {}) for run in ("old", "new")}
        rows.append({**_row(name, found, states[k], own_q, rule), **_verdict_columns(own)})
    every = _measure(paired, seed)
    (state,), _ = rule.states([every.outcomes["background_focused"]])
    untested = dict.fromkeys(OUTCOMES, float("nan"))
    none: dict[str, Mapping[str, str]] = {"old": {}, "new": {}}
    rows.append({**_row(ALL, every, state, untested, rule), **_verdict_columns(none)})
    return rows


def _of(paired: PairedRecords, name: str) -> PairedRecords:
    return PairedRecords(*(table[table["target_class"] == name] for table in paired))


def _measure(paired: PairedRecords, seed: int) -> _Measured:
    pairs, left_out = paired
    clusters = pairs["cluster"].to_numpy(str)
    outcomes, means = {}, {}
    for name in OUTCOMES:
        old, new = (pairs[f"{name}_{run}"].to_numpy() for run in ("old", "new"))
        observed = ~np.isnan(old) & ~np.isnan(new)
        if name == "background_focused":
            observed &= pairs["counted"].to_numpy()
        chosen = once(pairs, observed)
        outcomes[name] = pair_outcomes(old[chosen], new[chosen])
    for name in MEANS:
        old, new = (pairs[f"{name}_{run}"].to_numpy() for run in ("old", "new"))
        observed = ~np.isnan(old) & ~np.isnan(new)
        change = mean_change(old, new, clusters, seed=seed)
        means[name] = (mean_observed(old[observed]), mean_observed(new[observed]), change)
    counts = {
        "n_records": len(pairs) + _unpaired(left_out),
        "n_pairs": len(pairs),
        "n_counted": int(pairs["counted"].sum()),
    }
    return _Measured(counts, outcomes, means, _main_reason(left_out))


def _unpaired(left_out: pd.DataFrame) -> int:
    return int(left_out["reason"].isin(["other_content", "excluded", "not_audited"]).sum())


def _main_reason(left_out: pd.DataFrame) -> str:
    """Why most records do not count, as a clause; empty where all do."""
    if left_out.empty:
        return ""
    main = left_out["reason"].mode()[0]
    if main != "not_eligible":
        return REASONS[main]
    details = left_out.loc[left_out["reason"] == main, ["detail_old", "detail_new"]]
    told = details.stack()
    return told[told != ""].mode()[0]


def _row(
    name: str, found: _Measured, state: State, q: Mapping[str, float], rule: ChangeRule
) -> dict[str, Any]:
    focused, correct = found.outcomes["background_focused"], found.outcomes["correct"]
    told = [
        change_sentence(state, focused, q["background_focused"], rule, found.main_reason),
        answers_sentence(correct, q["correct"], rule),
    ]
    row = {"class": name, "state": state, "sentence": " ".join(filter(None, told))}
    row |= found.counts
    for outcome, pairs in found.outcomes.items():
        short = NAMES[outcome]
        row |= {f"{short}_n": pairs.n, **{f"{short}_{k}": v for k, v in pairs._asdict().items()}}
        row |= {f"{short}_p": pairs.p, f"{short}_q": q[outcome]}
    for column, (old, new, change) in found.means.items():
        row |= {
            f"{column}_n": change.n,
            f"{column}_old": old,
            f"{column}_new": new,
            f"{column}_change": change.value,
            f"{column}_change_low": change.low,
            f"{column}_change_high": change.high,
        }
    return row


def _verdict_columns(of_run: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    return {
        f"{column}_{run}": row.get(column) or None
        for column in VERDICTS
        for run, row in of_run.items()
    }
