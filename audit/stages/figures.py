"""Counts, rates and means of a set of records, with intervals clustered by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audit.metrics.scene import EVEN
from audit.models.labels import OVERALL
from audit.stages.columns import Columns
from audit.stages.gather import Gathered
from audit.statistics import Estimate, clustered_mean, clustered_rate

ALL = OVERALL


@dataclass(frozen=True)
class Selection:
    """The annotated records of one class, method and layer: positions in the gathered tables."""

    name: str
    method: str
    layer: str
    rows: np.ndarray


class Answers(NamedTuple):
    """What the model answered on the annotated images of a class."""

    right: np.ndarray
    """float64 (n,): right (1) or wrong (0), NaN for unknown."""
    clusters: np.ndarray
    """int64 (n,): number of each image's cluster."""


NO_ANSWERS = Answers(np.empty(0), np.empty(0, np.int64))


def select(
    records: pd.DataFrame, classes: Sequence[str], method: str, layer: str, others: bool = False
) -> list[Selection]:
    """Each class's records. Those of other images' predictions (``any_object``) never enter class
    statistics, and are there with ``others`` alone.
    """
    chosen = (records["method"] == method) & (records["layer"] == layer)
    if not others:
        chosen &= records["reference"] == "class"
    rows = np.flatnonzero(chosen)
    parts = places(classes, records["target_class"].iloc[rows])
    return [Selection(c, method, layer, rows[part]) for c, part in zip(classes, parts, strict=True)]


def places(classes: Sequence[str], names: pd.Series) -> list[np.ndarray]:
    """Of each class, where its name stands among ``names``: one pass, however many classes."""
    of_class = pd.Index(classes).get_indexer(names)
    order = np.argsort(of_class, kind="stable")
    ends = np.searchsorted(of_class[order], np.arange(len(classes) + 1))
    return [order[ends[k] : ends[k + 1]] for k in range(len(classes))]


def together(selections: Sequence[Selection]) -> Selection:
    """The records of all classes of one method and layer, as the class :data:`ALL`."""
    first = selections[0]
    rows = np.sort(np.concatenate([s.rows for s in selections]))
    return Selection(ALL, first.method, first.layer, rows)


def figures(
    gathered: Gathered,
    selection: Selection,
    answers: Answers,
    over_shuffled: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """A row of ``per_class.csv``, less its verdict; ``over_shuffled``: of all records."""
    records = gathered.columns.take(selection.rows)
    hits = expected_hits(records, "pointing_hit", "pointing_chance")
    told = ~np.isnan(hits)
    chance = mean_observed(records.numbers("pointing_chance")[told])
    pointing = pointing_accuracy(records, seed)
    n_scored = int(records.equals("status", "scored").sum())
    return {
        "class": selection.name,
        "method": selection.method,
        "layer": selection.layer,
        "n_images": records.distinct("file_name"),
        "n_scored": n_scored,
        "n_unscored": len(records) - n_scored,
        "n_eligible": int(records.equals("eligible", True).sum()),
        **with_limits("accuracy", clustered_rate(*answers)),
        **pointing,
        "pointing_accuracy_15px": mean_observed(
            expected_hits(records, "pointing_hit_15px", "pointing_chance_15px")
        ),
        "pointing_chance": chance,
        "pointing_chance_cells": mean_observed(records.numbers("pointing_chance_cells")[told]),
        "pointing_center": mean_observed(records.numbers("pointing_center")[told]),
        "pointing_skill": skill(pointing["pointing_accuracy"], chance),
        **mean_of(records, "mask_iou", "mean_iou", seed),
        "mean_box_iou": mean_observed(records.numbers("box_iou")),
        "localisation_accuracy": mean_observed(records.numbers("localisation_correct")),
        **mean_of(records, "energy_in_box", "energy_in_box", seed),
        "energy_ceiling": mean_observed(records.numbers("energy_ceiling")),
        **mean_of(records, "energy_skill", "energy_skill", seed),
        "n_energy_skill": n_observed(records, "energy_skill"),
        "skill_over_shuffled": mean_observed(over_shuffled[selection.rows]),
        "area_fraction": mean_observed(records.numbers("area_fraction")),
        **background_focused_rate(records),
    }


def pointing_accuracy(records: Columns, seed: int) -> dict[str, float]:
    """``pointing_accuracy`` with its limits."""
    hits = expected_hits(records, "pointing_hit", "pointing_chance")
    if not is_even(records).any():
        return with_limits("pointing_accuracy", clustered_rate(hits, records.clusters))
    # Expectations are no hits to be counted.
    pointing = with_limits("pointing_accuracy", clustered_mean(hits, records.clusters, seed=seed))
    pointing["pointing_accuracy"] = mean_observed(hits)  # to the last digit what chance is
    return pointing


def background_focused_rate(records: Columns) -> dict[str, float]:
    """``background_focused_rate`` of the eligible records with its limits, and how many are."""
    eligible = records.take(records.equals("eligible", True))
    focused = eligible.numbers("background_focused")
    return {
        "n_background_focused": int(np.nansum(focused)),
        **with_limits("background_focused_rate", clustered_rate(focused, eligible.clusters)),
    }


def mean_of(records: Columns, column: str, name: str, seed: int) -> dict[str, float]:
    """The mean of a column, with its limits, under ``name``."""
    return with_limits(name, clustered_mean(records.numbers(column), records.clusters, seed=seed))


def n_observed(records: Columns, column: str) -> int:
    """Records that have a value in the column."""
    return int((~np.isnan(records.numbers(column))).sum())


def with_limits(name: str, found: Estimate) -> dict[str, float]:
    """An estimate as three columns."""
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def is_even(records: Columns) -> np.ndarray:
    """bool (n,): records whose map is the same everywhere by definition: they point nowhere."""
    return records.equals("pointing_note", EVEN)


def expected_hits(records: Columns, hit: str, chance: str) -> np.ndarray:
    """float64 (n,): 1 a hit, 0 a miss, NaN unknown; of an even map what a random point would do."""
    return np.where(is_even(records), records.numbers(chance), records.numbers(hit))


def skill(rate: float, chance: float) -> float:
    """(rate - chance) / (1 - chance): of means, never a mean of record skills. NaN at chance 1."""
    return (rate - chance) / (1 - chance) if chance < 1 else float("nan")


def json_value(value: Any) -> Any:
    """A figure for JSON, which has no NaN: None where it was not observed."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def mean_observed(values: np.ndarray) -> float:
    """Mean of what was observed; NaN where nothing was."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
