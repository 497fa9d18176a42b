"""Which records a class verdict may rest on; the others are told apart by why not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.explain import METHODS
from audit.metrics.scene import EVEN

# In the order in which they are asked; the first that holds is the one that is told.
REASONS = (
    "not_annotated",
    "unscored",
    "wrong_prediction",
    "several_classes",
    "box_under_a_cell",
    "box_too_large_to_tell",
    "no_maximum",
    "maximum_in_ignored_region",
    "near_duplicate",
)

# What the reason column says of a baseline, which gets no verdict.
NO_VERDICT = "a baseline: it explains nothing"


def level_of(method: str) -> str:
    """``layer``, ``input`` or ``baseline``: what a method looks at; baselines at nothing."""
    entry = dict(METHODS.items()).get(method)
    return entry.level if entry else "layer"


def is_baseline(method: str) -> bool:
    """Whether a method is there to be compared with, and gets figures but no verdict."""
    return level_of(method) == "baseline"


def of_baselines(records: pd.DataFrame) -> np.ndarray:
    """bool (n,): which records are a baseline's."""
    baselines = [m for m in records["method"].unique() if is_baseline(m)]
    return records["method"].isin(baselines).to_numpy(bool)


def mark_eligible(records: pd.DataFrame) -> pd.DataFrame:
    """``records`` with ``eligible`` and ``ineligible_reason``.

    Eligible: annotated, predicted correctly, one annotated class in the image, the largest box at
    least one native cell, an energy skill, a maximum, and the first of its near-duplicates. Records
    of baselines are held to the same, though no verdict rests on them: their rates then compare.
    """
    checks = {
        "not_annotated": records["reference"] != "class",
        "unscored": records["status"] != "scored",
        "wrong_prediction": ~_true(records["correct"]),
        "several_classes": records["n_classes"] != 1,
        "box_under_a_cell": ~(records["largest_box_cells"] >= 1),
        "box_too_large_to_tell": records["energy_skill"].isna(),
        "no_maximum": records["pointing_note"] == EVEN,
        "maximum_in_ignored_region": records["pointing_hit"].isna(),
    }
    reason = np.full(len(records), None, object)
    for name, fails in checks.items():
        fails = np.asarray(fails, bool)
        reason[fails & np.equal(reason, None)] = name
    candidate = np.equal(reason, None)
    keys = records.loc[candidate, ["target_class", "method", "layer", "group"]]
    again = np.flatnonzero(candidate)[keys.duplicated().to_numpy()]
    reason[again] = "near_duplicate"
    records = records.assign(eligible=np.equal(reason, None), ineligible_reason=reason)
    return records


def _true(values: pd.Series) -> np.ndarray:
    """A nullable truth column as bool, unknown counted as false."""
    return values.fillna(False).to_numpy(bool)
