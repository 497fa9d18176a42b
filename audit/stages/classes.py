"""One row a class, method and layer: rates with intervals, baselines, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.stages.eligibility import NO_VERDICT, is_baseline
from audit.stages.evidence import lay_class
from audit.stages.figures import (
    ALL,
    NO_ANSWERS,
    Answers,
    Selection,
    figures,
    mean_observed,
    select,
    together,
)
from audit.stages.gather import SWEEPS, Gathered
from audit.stages.sensitivity import (
    Setting,
    rule_settings,
    sensitivity_rows,
    sensitivity_table,
    stability,
    verdicts_by_setting,
)
from audit.statistics import ClassEvidence, ClassVerdict, shuffled_baselines

# IoU at which wsolevaluation counts a box as found (Choe et al. 2020).
BOX_LEVELS = (0.3, 0.5, 0.7)
COLUMNS = (
    "class", "method", "layer", "n_images", "n_scored", "n_unscored", "n_eligible",
    "accuracy", "accuracy_low", "accuracy_high",
    "pointing_accuracy", "pointing_accuracy_low", "pointing_accuracy_high",
    "pointing_accuracy_15px", "pointing_chance", "pointing_chance_cells", "pointing_center",
    "pointing_shuffled", "pointing_skill",
    "mean_iou", "mean_iou_low", "mean_iou_high", "mean_box_iou", "localisation_accuracy",
    "energy_in_box", "energy_in_box_low", "energy_in_box_high",
    "energy_ceiling", "energy_skill", "energy_skill_low", "energy_skill_high", "n_energy_skill",
    "skill_over_shuffled", "area_fraction",
    "n_background_focused", "background_focused_rate", "background_focused_rate_low",
    "background_focused_rate_high", "background_focused_shuffled",
    "permutation_p", "p_value", "q_value", "verdict", "confirmation", "reason",
    "verdict_stable", "verdict_changes_with",
)  # fmt: skip


class Judged(NamedTuple):
    """What the heatmaps say of the classes."""

    classes: pd.DataFrame
    """Rows of ``per_class.csv``."""
    over_shuffled: np.ndarray
    """float64 (records,): ``skill_over_shuffled`` of each record, NaN where unknown."""
    sensitivity: pd.DataFrame
    """Rows of ``sensitivity.csv``."""


def class_table(
    gathered: Gathered, classes: Sequence[str], answers: Mapping[str, Answers], config: Config
) -> Judged:
    """Measure and judge every class by every method and layer; ``answers``: those on each class."""
    settings = rule_settings(config)
    over_shuffled = np.full(len(gathered.records), np.nan)
    rows: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for method, layer in gathered.pairs:
        selections = select(gathered.records, classes, method, layer)
        if is_baseline(method):
            selections.append(together(selections))
            rows += [_baseline(gathered, s, answers, over_shuffled, config) for s in selections]
            continue
        measured = [
            _measure(gathered, s, answers, config, settings, over_shuffled) for s in selections
        ]
        # Corrected over the classes of one method at one layer.
        verdicts = verdicts_by_setting(settings, [evidence for _, evidence in measured])
        for name, (row, evidence), told in zip(classes, measured, verdicts, strict=True):
            rows.append({**row, **_verdict_columns(told[0]), **stability(settings, told)})
            moved += sensitivity_rows((name, method, layer), settings, evidence, told)
        rows.append(_overall(gathered, selections, answers, over_shuffled, config))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"verdict_stable": "boolean"})
    return Judged(table, over_shuffled, sensitivity_table(moved))


def threshold_table(
    gathered: Gathered, classes: Sequence[str], sweep: Sequence[float]
) -> pd.DataFrame:
    """Rows of ``thresholds.csv``: mean mask IoU and share of boxes found, per class, method,
    layer and threshold."""
    rows = []
    for method, layer in gathered.pairs:
        selections = select(gathered.records, classes, method, layer)
        selections.append(together(selections))
        for selection in selections:
            masks, boxes = (_sweep(gathered, name, selection.rows, len(sweep)) for name in SWEEPS)
            for column, threshold in enumerate(sweep):
                mask, box = masks[:, column], boxes[:, column]
                seen = box[~np.isnan(box)]
                rows.append(
                    {
                        "class": selection.name,
                        "method": method,
                        "layer": layer,
                        "threshold": threshold,
                        "n_scored": int((~np.isnan(mask)).sum()),
                        "mean_mask_iou": mean_observed(mask),
                        "mean_box_iou": mean_observed(box),
                        **{
                            f"max_box_acc_{round(100 * level)}": mean_observed(seen >= level)
                            for level in BOX_LEVELS
                        },
                    }
                )
    return pd.DataFrame(rows)


def _measure(
    gathered: Gathered,
    selection: Selection,
    answers: Mapping[str, Answers],
    config: Config,
    settings: Sequence[Setting],
    over_shuffled: np.ndarray,
) -> tuple[dict[str, Any], list[ClassEvidence]]:
    """A class's figures, and what its verdict rests on under each setting of the rule.

    Fills the class's part of ``over_shuffled``.
    """
    flags, seed = config.flags, config.audit.seed
    scored, laid, eligible = lay_class(gathered, selection, seed)
    shuffled = shuffled_baselines(
        laid, tolerance=flags.tolerance, min_energy_skill=flags.min_energy_skill
    )
    over_shuffled[scored] = shuffled.skill_over_shuffled
    evidence = [eligible.evidence(setting.flags) for setting in settings]
    own = answers.get(selection.name, NO_ANSWERS)
    row = figures(gathered, selection, own, over_shuffled, seed)
    row["pointing_shuffled"] = shuffled.pointing
    row["background_focused_shuffled"] = evidence[0].shuffled_rate
    row["permutation_p"] = evidence[0].permutation_p
    return row, evidence


def _overall(
    gathered: Gathered,
    selections: Sequence[Selection],
    answers: Mapping[str, Answers],
    over_shuffled: np.ndarray,
    config: Config,
) -> dict[str, Any]:
    """The row over all classes; it has no verdict, since a verdict is one class's."""
    every, own = together(selections), answers.get(ALL, NO_ANSWERS)
    row = figures(gathered, every, own, over_shuffled, config.audit.seed)
    return {**row, "reason": "All classes together: verdicts are given class by class."}


def _baseline(
    gathered: Gathered,
    selection: Selection,
    answers: Mapping[str, Answers],
    over_shuffled: np.ndarray,
    config: Config,
) -> dict[str, Any]:
    """A baseline's row: figures alone. Its maps follow no image, so there is nothing to shuffle."""
    own = answers.get(selection.name, NO_ANSWERS)
    row = figures(gathered, selection, own, over_shuffled, config.audit.seed)
    return {**row, "reason": NO_VERDICT}


def _verdict_columns(verdict: ClassVerdict) -> dict[str, Any]:
    return {
        "p_value": verdict.p_value,
        "q_value": verdict.q_value,
        "verdict": verdict.verdict,
        "confirmation": "not_run",
        "reason": verdict.reason,
    }


def _sweep(gathered: Gathered, name: str, rows: np.ndarray, width: int) -> np.ndarray:
    """(n, width) values of a sweep; NaN rows where it was not taken."""
    out = np.full((len(rows), width), np.nan)
    values = gathered.arrays.sweeps.get(name)
    if values is not None and values.shape[1]:
        out[:] = values[rows]
    return out
