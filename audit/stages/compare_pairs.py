"""The annotated records of two runs, paired by image and class, and those that have no partner."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

import numpy as np
import pandas as pd

from audit.stages.columns import numbers
from audit.stages.eligibility import PHRASES

KEYS = ["file_name", "target_class"]
OUTCOMES = ("background_focused", "pointing_hit", "correct")
MEANS = ("energy_skill", "mask_iou", "target_probability")
TEXTS = ("status", "reason", "ineligible_reason", "predicted_class", "cluster")
# What is read of predictions.parquet.
COLUMNS = [*KEYS, "method", "layer", "reference", "eligible", *OUTCOMES, *MEANS, *TEXTS]
CHANGED_COLUMNS = [
    *KEYS, "changes", "counted",
    *(f"{name}_{run}" for name in (*OUTCOMES, "predicted_class", *MEANS) for run in ("old", "new")),
]  # fmt: skip
# Why a record takes no part in the class's comparison, in the order in which it is asked.
REASONS = {
    "other_content": "the image of this name has other content in the other run",
    "excluded": "one run left the image out",
    "not_audited": "one run did not audit the image, or not this class in it",
    "unscored": "the heatmap could not be scored",
    "not_eligible": "no verdict may rest on the record",
    "same_cluster": "an image that counts is nearly the same, or of the same group",
}
LEFT_OUT_COLUMNS = [*KEYS, "reason", "run", "detail_old", "detail_new"]
# Outcome -> what is said when it comes, and when it goes; the first of each pair is the worse.
WORDS = {
    "background_focused": ("became background-focused", "no longer background-focused"),
    "pointing_hit": ("maximum left the object", "maximum reached the object"),
    "correct": ("answer became wrong", "answer became right"),
}


class RunRecords(NamedTuple):
    """What is compared of one run."""

    records: pd.DataFrame
    """Its annotated records by one method at one layer, with :data:`COLUMNS`."""
    excluded: Mapping[str, str]
    """File name of an image that was left out -> reason."""


class PairedRecords(NamedTuple):
    """The records of two runs."""

    pairs: pd.DataFrame
    """One row a record that both have: :data:`KEYS`, each column with ``_old`` and ``_new``, numbers as
    float64; ``cluster``, and ``counted``: whether the class's comparison rests on it."""
    left_out: pd.DataFrame
    """One row a record of either run that is not counted: :data:`LEFT_OUT_COLUMNS`."""


def pair_records(
    old: RunRecords, new: RunRecords, other_content: Set[str] = frozenset()
) -> PairedRecords:
    """Pair the records of two runs, sorted by file name and class.

    A pair is counted when a verdict may rest on the record in both runs, and no earlier pair of its
    class is of the same cluster of images: an image that is nearly the same, or of the same group,
    is no further observation.

    ``other_content``: names that stand for another image in the other run; they are no pairs.
    """
    both = _numeric(old.records).merge(
        _numeric(new.records), on=KEYS, how="outer", suffixes=("_old", "_new"), indicator="in_runs"
    )
    both = both.sort_values(KEYS, kind="stable", ignore_index=True)
    both["cluster"] = both["cluster_new"].where(both["cluster_new"].notna(), both["cluster_old"])
    both["left_out"] = _reasons(both, old.excluded, new.excluded, other_content)
    both["counted"] = both["left_out"] == ""
    paired = (both["in_runs"] == "both") & (both["left_out"] != "other_content")
    left_out = _left_out(both[~both["counted"]], old.excluded, new.excluded)
    pairs = both[paired].drop(columns=["in_runs", "left_out"]).reset_index(drop=True)
    return PairedRecords(pairs, left_out)


def once(pairs: pd.DataFrame, observed: np.ndarray) -> np.ndarray:
    """bool (n,): ``observed`` pairs, the first alone of those that share a cluster of images."""
    chosen = observed.copy()
    chosen[observed] = ~pairs.loc[observed, "cluster"].duplicated().to_numpy()
    return chosen


def changed_records(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of which an outcome changed, :data:`CHANGED_COLUMNS`; the worst first.

    First what became background-focused, then maxima that left the object, answers that became
    wrong, and changes for the better in the same order; among those, counted pairs by energy skill.
    """
    told, rank = np.full(len(pairs), "", object), np.full(len(pairs), np.inf)
    places = {(name, worse): k for k, (worse, name) in enumerate(_by_weight())}
    for name in OUTCOMES:
        before, after = (pairs[f"{name}_{run}"].to_numpy() for run in ("old", "new"))
        rises = name == "background_focused"
        for worse, chosen in ((rises, after > before), (not rises, after < before)):
            words = WORDS[name][0 if worse else 1]
            told[chosen] = [f"{text}; {words}" if text else words for text in told[chosen]]
            rank[chosen] = np.minimum(rank[chosen], places[name, worse])
    skill = (pairs["energy_skill_new"] - pairs["energy_skill_old"]).to_numpy()
    table = pairs.assign(changes=told, rank=rank, beside=~pairs["counted"], skill=skill)
    table = table[told != ""].sort_values(
        ["rank", "beside", "skill", *KEYS], kind="stable", ignore_index=True
    )
    truths = [f"{name}_{run}" for name in OUTCOMES for run in ("old", "new")]
    return table[CHANGED_COLUMNS].astype(dict.fromkeys(truths, "boolean"))


def _by_weight() -> list[tuple[bool, str]]:
    return [(worse, name) for worse in (True, False) for name in OUTCOMES]


def _numeric(records: pd.DataFrame) -> pd.DataFrame:
    known = {name: numbers(records, name) for name in ("eligible", *OUTCOMES, *MEANS)}
    return records[[*KEYS, *TEXTS]].assign(**known)


def _reasons(
    both: pd.DataFrame,
    old_excluded: Mapping[str, str],
    new_excluded: Mapping[str, str],
    other_content: Set[str],
) -> np.ndarray:
    """object (n,): the first of :data:`REASONS` that holds; empty for a record that counts."""
    lacking = _lacking(both)
    known = {"old": old_excluded, "new": new_excluded, "": {}}
    excluded = [name in known[run] for run, name in zip(lacking, both["file_name"], strict=True)]
    checks = {
        "other_content": both["file_name"].isin(other_content),
        "excluded": excluded,
        "not_audited": lacking != "",
        "unscored": (both["status_old"] != "scored") | (both["status_new"] != "scored"),
        "not_eligible": (both["eligible_old"] != 1) | (both["eligible_new"] != 1),
    }
    reason = np.full(len(both), "", object)
    for name, holds in checks.items():
        reason[np.asarray(holds, bool) & (reason == "")] = name
    counts = reason == ""
    again = both.loc[counts, ["target_class", "cluster"]].duplicated().to_numpy()
    reason[np.flatnonzero(counts)[again]] = "same_cluster"
    return reason


def _lacking(both: pd.DataFrame) -> np.ndarray:
    """object (n,): the run that has no such record, empty where both have."""
    names = {"left_only": "new", "right_only": "old", "both": ""}
    return both["in_runs"].astype(str).map(names).to_numpy(object)


def _left_out(
    rows: pd.DataFrame, old_excluded: Mapping[str, str], new_excluded: Mapping[str, str]
) -> pd.DataFrame:
    details = {
        run: [_detail(row, run, known) for row in rows.to_dict("records")]
        for run, known in (("old", old_excluded), ("new", new_excluded))
    }
    told = np.array([bool(a) + 2 * bool(b) for a, b in zip(*details.values(), strict=True)], int)
    table = rows[KEYS].assign(
        reason=rows["left_out"],
        run=np.array(["both", "old", "new", "both"], object)[told],
        detail_old=details["old"],
        detail_new=details["new"],
    )
    return table[LEFT_OUT_COLUMNS].reset_index(drop=True)


def _detail(row: Mapping[str, object], run: str, excluded: Mapping[str, str]) -> str:
    """Why the record does not count in this run; empty where it does, or is not asked."""
    reason = row["left_out"]
    if reason in ("excluded", "not_audited"):
        missing = row["in_runs"] == ("right_only" if run == "old" else "left_only")
        return excluded.get(str(row["file_name"]), "not audited") if missing else ""
    if reason == "unscored":
        return "" if row[f"status_{run}"] == "scored" else str(row[f"reason_{run}"])
    if reason == "not_eligible":
        why = row[f"ineligible_reason_{run}"]
        return PHRASES[why] if isinstance(why, str) else ""
    return ""
