"""One row a class, method and layer: rates with intervals, baselines, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.metrics.scene import EVEN
from audit.models.labels import OVERALL
from audit.stages.eligibility import NO_VERDICT, is_baseline
from audit.stages.gather import SWEEPS, Gathered
from audit.statistics import (
    ClassEvidence,
    ClassMaps,
    ClassVerdict,
    Estimate,
    ShuffledBaselines,
    VerdictRule,
    class_verdicts,
    clustered_mean,
    clustered_rate,
    permutation_p,
    shuffled_baselines,
    skill_matrix,
)

ALL = OVERALL
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
)  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """The annotated records of one class, method and layer: positions in the gathered tables."""

    name: str
    method: str
    layer: str
    rows: np.ndarray


def class_table(
    gathered: Gathered, classes: Sequence[str], accuracy: Mapping[str, np.ndarray], config: Config
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of ``per_class.csv``, and each record's ``skill_over_shuffled`` (NaN where unknown).

    ``accuracy``: class -> right (1) or wrong (0) per annotated image; NaN for unknown.
    """
    rule = verdict_rule(config)
    over_shuffled = np.full(len(gathered.records), np.nan)
    rows: list[dict[str, Any]] = []
    for method, layer in gathered.pairs:
        selections = [_select(gathered.records, c, method, layer) for c in classes]
        if is_baseline(method):
            selections.append(_together(selections))
            rows += [_baseline(gathered, s, accuracy, over_shuffled, config) for s in selections]
            continue
        measured = [
            _measure(gathered, s, accuracy.get(s.name), config, over_shuffled) for s in selections
        ]
        # Corrected over the classes of one method at one layer.
        verdicts = class_verdicts([evidence for _, evidence in measured], rule)
        rows += [
            {**row, **_verdict_columns(v)} for (row, _), v in zip(measured, verdicts, strict=True)
        ]
        rows.append(_overall(gathered, selections, accuracy, over_shuffled, config))
    return pd.DataFrame(rows, columns=list(COLUMNS)), over_shuffled


def verdict_rule(config: Config) -> VerdictRule:
    """The class verdict's numbers from the config."""
    flags = config.flags
    return VerdictRule(
        min_eligible=flags.min_eligible,
        max_rate=flags.max_rate,
        alpha=flags.alpha,
        correction=flags.correction,
        shuffled_share=flags.shuffled_share,
    )


def threshold_table(
    gathered: Gathered, classes: Sequence[str], sweep: Sequence[float]
) -> pd.DataFrame:
    """Rows of ``thresholds.csv``: mean mask IoU and share of boxes found, per class, method,
    layer and threshold."""
    rows = []
    for method, layer in gathered.pairs:
        selections = [_select(gathered.records, c, method, layer) for c in classes]
        selections.append(_together(selections))
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
                        "mean_mask_iou": _mean(mask),
                        "mean_box_iou": _mean(box),
                        **{
                            f"max_box_acc_{round(100 * level)}": _mean(seen >= level)
                            for level in BOX_LEVELS
                        },
                    }
                )
    return pd.DataFrame(rows)


def _select(records: pd.DataFrame, name: str, method: str, layer: str) -> Selection:
    """Records of other images' predictions (``any_object``) never enter class statistics."""
    chosen = (
        (records["target_class"] == name)
        & (records["reference"] == "class")
        & (records["method"] == method)
        & (records["layer"] == layer)
    )
    return Selection(name, method, layer, np.flatnonzero(chosen))


def _together(selections: Sequence[Selection]) -> Selection:
    first = selections[0]
    rows = np.sort(np.concatenate([s.rows for s in selections]))
    return Selection(ALL, first.method, first.layer, rows)


def _measure(
    gathered: Gathered,
    selection: Selection,
    accuracy: np.ndarray | None,
    config: Config,
    over_shuffled: np.ndarray,
) -> tuple[dict[str, Any], ClassEvidence]:
    """A class's figures, and what its verdict rests on; fills the class's part of ``over_shuffled``."""
    records = gathered.records.iloc[selection.rows]
    seed = config.audit.seed
    scored = selection.rows[(records["status"] == "scored").to_numpy()]
    pair = (selection.method, selection.layer)
    shuffled = _shuffled(_class_maps(gathered, pair, scored), config)
    if shuffled is not None:
        over_shuffled[scored] = shuffled.skill_over_shuffled
    row = _figures(gathered, selection, accuracy, over_shuffled, seed)
    row["pointing_shuffled"] = shuffled.pointing if shuffled is not None else np.nan
    eligible = selection.rows[records["eligible"].to_numpy(bool)]
    focused = gathered.records["background_focused"].iloc[eligible].to_numpy(bool)
    maps = _class_maps(gathered, pair, eligible)
    among = _shuffled(maps, config)
    evidence = ClassEvidence(
        n_eligible=len(eligible),
        n_background_focused=int(focused.sum()),
        shuffled_rate=among.background_focused if among is not None else None,
        permutation_p=permutation_p(skill_matrix(maps, seed=seed), seed=seed),
    )
    row["background_focused_shuffled"] = _nan(evidence.shuffled_rate)
    row["permutation_p"] = _nan(evidence.permutation_p)
    return row, evidence


def _figures(
    gathered: Gathered,
    selection: Selection,
    accuracy: np.ndarray | None,
    over_shuffled: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Counts, rates and means of a set of records, with intervals clustered by image."""
    records = gathered.records.iloc[selection.rows]
    images = records["group"].to_numpy(np.int64)

    def rate(name: str, values: np.ndarray, clusters: np.ndarray | None) -> dict[str, float]:
        return _with_limits(name, clustered_rate(values, clusters))

    def mean(name: str, column: str) -> dict[str, float]:
        return _with_limits(name, clustered_mean(_numbers(records, column), images, seed=seed))

    hits = expected_hits(records, "pointing_hit", "pointing_chance")
    told = ~np.isnan(hits)
    chance = _mean(_numbers(records, "pointing_chance")[told])
    if is_even(records).any():  # expectations are no hits to be counted
        pointing = _with_limits("pointing_accuracy", clustered_mean(hits, images, seed=seed))
        pointing["pointing_accuracy"] = _mean(hits)  # to the last digit what chance is
    else:
        pointing = rate("pointing_accuracy", hits, images)
    eligible = records["eligible"].to_numpy(bool)
    focused = _numbers(records, "background_focused")[eligible]
    right = accuracy if accuracy is not None else np.empty(0)
    return {
        "class": selection.name,
        "method": selection.method,
        "layer": selection.layer,
        "n_images": records["file_name"].nunique(),
        "n_scored": int((records["status"] == "scored").sum()),
        "n_unscored": int((records["status"] != "scored").sum()),
        "n_eligible": int(eligible.sum()),
        **rate("accuracy", right, None),
        **pointing,
        "pointing_accuracy_15px": _mean(
            expected_hits(records, "pointing_hit_15px", "pointing_chance_15px")
        ),
        "pointing_chance": chance,
        "pointing_chance_cells": _mean(_numbers(records, "pointing_chance_cells")[told]),
        "pointing_center": _mean(_numbers(records, "pointing_center")[told]),
        "pointing_skill": skill(pointing["pointing_accuracy"], chance),
        **mean("mean_iou", "mask_iou"),
        "mean_box_iou": _mean(_numbers(records, "box_iou")),
        "localisation_accuracy": _mean(_numbers(records, "localisation_correct")),
        **mean("energy_in_box", "energy_in_box"),
        "energy_ceiling": _mean(_numbers(records, "energy_ceiling")),
        **mean("energy_skill", "energy_skill"),
        "n_energy_skill": int((~np.isnan(_numbers(records, "energy_skill"))).sum()),
        "skill_over_shuffled": _mean(over_shuffled[selection.rows]),
        "area_fraction": _mean(_numbers(records, "area_fraction")),
        "n_background_focused": int(np.nansum(focused)),
        **rate("background_focused_rate", focused, images[eligible]),
    }


def _with_limits(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def is_even(records: pd.DataFrame) -> np.ndarray:
    """bool (n,): records whose map is the same everywhere by definition: they point nowhere."""
    return (records["pointing_note"] == EVEN).to_numpy(bool)


def expected_hits(records: pd.DataFrame, hit: str, chance: str) -> np.ndarray:
    """float64 (n,): 1 a hit, 0 a miss, NaN unknown; of an even map what a random point would do."""
    return np.where(is_even(records), _numbers(records, chance), _numbers(records, hit))


def skill(rate: float, chance: float) -> float:
    """(rate - chance) / (1 - chance): of means, never a mean of record skills. NaN at chance 1."""
    return (rate - chance) / (1 - chance) if chance < 1 else float("nan")


def _overall(
    gathered: Gathered,
    selections: Sequence[Selection],
    accuracy: Mapping[str, np.ndarray],
    over_shuffled: np.ndarray,
    config: Config,
) -> dict[str, Any]:
    """The row over all classes; it has no verdict, since a verdict is one class's."""
    row = _figures(
        gathered, _together(selections), accuracy.get(ALL), over_shuffled, config.audit.seed
    )
    return {**row, "reason": "all classes together; the verdicts are the classes' own"}


def _baseline(
    gathered: Gathered,
    selection: Selection,
    accuracy: Mapping[str, np.ndarray],
    over_shuffled: np.ndarray,
    config: Config,
) -> dict[str, Any]:
    """A baseline's row: figures alone. Its maps follow no image, so there is nothing to shuffle."""
    right = accuracy.get(selection.name)
    row = _figures(gathered, selection, right, over_shuffled, config.audit.seed)
    return {**row, "reason": NO_VERDICT}


def _verdict_columns(verdict: ClassVerdict) -> dict[str, Any]:
    return {
        "p_value": verdict.p_value,
        "q_value": verdict.q_value,
        "verdict": verdict.verdict,
        "confirmation": "not_run",
        "reason": verdict.reason,
    }


def _shuffled(maps: ClassMaps, config: Config) -> ShuffledBaselines | None:
    if len(maps) < 2:
        return None
    return shuffled_baselines(
        maps,
        tolerance=config.flags.tolerance,
        min_energy_skill=config.flags.min_energy_skill,
        seed=config.audit.seed,
    )


def _class_maps(gathered: Gathered, pair: tuple[str, str], rows: np.ndarray) -> ClassMaps:
    """The maps of scored records of one method and layer, decoded."""
    records, arrays = gathered.records.iloc[rows], gathered.arrays
    maps, places = arrays.maps[pair], arrays.places[rows]
    return ClassMaps(
        heatmaps=maps.heatmaps(places),
        box_weights=maps.weights_inside[places],
        view_weights=maps.weights_view[places],
        ceilings=_numbers(records, "energy_ceiling"),
        area_fractions=_numbers(records, "area_fraction"),
        points=records[["point_u", "point_v"]].to_numpy(np.float64),
        views=arrays.views[rows],
        sizes=records[["width", "height"]].to_numpy(np.float64),
        boxes=[arrays.boxes[i] for i in rows],
    )


def _sweep(gathered: Gathered, name: str, rows: np.ndarray, width: int) -> np.ndarray:
    """(n, width) values of a sweep; NaN rows where it was not taken."""
    out = np.full((len(rows), width), np.nan)
    values = gathered.arrays.sweeps.get(name)
    if values is not None and values.shape[1]:
        out[:] = values[rows]
    return out


def _numbers(records: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64, NaN where it was not observed or not chosen."""
    if column not in records:
        return np.full(len(records), np.nan)
    return records[column].to_numpy(np.float64, na_value=np.nan)


def _mean(values: np.ndarray) -> float:
    """Mean of what was observed; NaN where nothing was."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
