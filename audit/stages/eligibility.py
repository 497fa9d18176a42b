"""Which records a class verdict may rest on; the others are told apart by why not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from audit.explain import METHODS
from audit.metrics.scene import EVEN

# Why an image has no heatmap, or a changed one no answer: the model gave NaN or infinity.
NON_FINITE_OUTPUT = "non_finite_output"

# In the order in which they are asked; the first that holds is the one that is told.
REASONS = (
    "not_annotated",
    "unscored",
    "likely_label_error",
    "wrong_prediction",
    "several_classes",
    "box_under_a_cell",
    "box_too_large_to_tell",
    "no_maximum",
    "maximum_in_ignored_region",
    "near_duplicate",
    "same_group",
)

# How the sentence of a verdict names them: "40 of them because ...".
PHRASES = {
    "not_annotated": "the class is not annotated in the image",
    "unscored": "the heatmap could not be scored",
    "likely_label_error": "the model is sure of another class and the label may be wrong",
    "wrong_prediction": "the model named another class",
    "several_classes": "several classes are annotated in the image",
    "box_under_a_cell": "the object is smaller than one cell of the heatmap",
    "box_too_large_to_tell": "the object nearly fills the image",
    "no_maximum": "the heatmap has no maximum",
    "maximum_in_ignored_region": "the heatmap's maximum lies in a region that does not count",
    "near_duplicate": "an image that counts is nearly the same",
    "same_group": "an image of the same group counts already",
}

# Probabilities are a model's float32.
ROUNDING = 1e-6

# What the reason column says of a baseline, which gets no verdict.
NO_VERDICT = "A baseline explains nothing: it is there to be compared with, and gets no verdict."


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


def mark_eligible(
    records: pd.DataFrame, annotated: Collection[str], label_error_score: float
) -> pd.DataFrame:
    """``records`` with ``eligible`` and ``ineligible_reason``.

    Eligible: annotated, predicted correctly, one annotated class in the image, the largest box at
    least one native cell, an energy skill, a maximum, and the first of its cluster: of images that
    are nearly the same or share a group, one alone is an observation of its own. Which one does not
    depend on its outcome. Records of baselines are held to the same, though no verdict rests on
    them: their rates then compare.

    ``annotated``: the data set's classes; ``label_error_score``: see :func:`likely_label_errors`.
    """
    checks = {
        "not_annotated": records["reference"] != "class",
        "unscored": records["status"] != "scored",
        "likely_label_error": likely_label_errors(records, annotated, label_error_score),
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
    for name, column in (("near_duplicate", "group"), ("same_group", "cluster")):
        candidate = np.equal(reason, None)
        keys = records.loc[candidate, ["target_class", "method", "layer", column]]
        reason[np.flatnonzero(candidate)[keys.duplicated().to_numpy()]] = name
    return records.assign(eligible=np.equal(reason, None), ineligible_reason=reason)


def likely_label_errors(
    records: pd.DataFrame, annotated: Collection[str], least_score: float
) -> np.ndarray:
    """bool (n,): wrong predictions for which the annotation is as likely to blame as the model.

    The model is wrong and sure of it: it names, with a probability of at least ``least_score``,
    another class of the data set, one that is annotated nowhere in this image, and gives the
    annotated class at most what that leaves. A class outside the data set does not count: nobody
    was asked to annotate it. (Northcutt et al. 2021, "Confident Learning", count such pairs with a
    threshold for each class; one stated probability is easier to check by hand.)
    """
    sure = (records["predicted_score"] >= least_score) & (
        records["target_probability"] <= 1 - least_score + ROUNDING
    )
    known = records["predicted_class"].isin(list(annotated))
    other = records["predicted_class"] != records["target_class"]
    return (~_true(records["correct"]) & sure.fillna(False) & known & other).to_numpy(bool)


def _true(values: pd.Series) -> np.ndarray:
    """A nullable truth column as bool, unknown counted as false."""
    return values.fillna(False).to_numpy(bool)
