"""``strata.csv``: each class split by size, instances, prediction and columns of the metadata.

A class's mean hides that the small objects fail, or the pictures of one site. Each way to split a
class puts every one of its records in one stratum, ``unknown`` where it cannot be told, so that the
counts of a split add up to the class's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.stages.columns import Columns, numbers
from audit.stages.figures import (
    background_focused_rate,
    mean_of,
    n_observed,
    pointing_accuracy,
    select,
    together,
)
from audit.stages.gather import Gathered

UNKNOWN, OTHER = "unknown", "other"
# COCO's limits: areas of 32 x 32 and 96 x 96 pixels of the original.
BOX_SIZES = (("small", 0.0), ("medium", 32.0**2), ("large", 96.0**2))
INSTANCES = (("0", 0), ("1", 1), ("2-4", 2), ("5 or more", 5))
COLUMNS = (
    "class", "method", "layer", "by", "stratum", "n_records", "n_scored", "n_eligible", "small",
    "small_eligible",
    "pointing_accuracy", "pointing_accuracy_low", "pointing_accuracy_high",
    "energy_skill", "energy_skill_low", "energy_skill_high", "n_energy_skill",
    "mean_iou", "mean_iou_low", "mean_iou_high",
    "n_background_focused", "background_focused_rate", "background_focused_rate_low",
    "background_focused_rate_high",
)  # fmt: skip


def strata_table(
    gathered: Gathered,
    classes: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    config: Config,
) -> pd.DataFrame:
    """One row a class (and all together), method, layer and stratum that has a record.

    Every stratum keeps its figures. ``small`` marks those of fewer than ``strata.min_records``
    scored records, whose intervals are wide, and ``small_eligible`` background-focused rates of
    fewer eligible ones.

    ``labels``: column of the metadata -> label of each of ``gathered.images``, empty for none.
    """
    splits = _splits(gathered, labels, config)
    rows = []
    for method, layer in gathered.pairs:
        selections = select(gathered.records, classes, method, layer)
        for selection in (*selections, together(selections)):
            names = {"class": selection.name, "method": method, "layer": layer}
            known: dict[bytes, dict[str, Any]] = {}
            for by, strata in splits.items():
                codes = strata.codes[selection.rows]
                for code in np.unique(codes):
                    mine = selection.rows[codes == code]
                    # Few records are often in one stratum of several splits, all together.
                    key = mine.tobytes()
                    if key not in known:
                        known[key] = _figures(gathered.columns.take(mine), config)
                    stratum = strata.categories[code]
                    rows.append({**names, "by": by, "stratum": stratum, **known[key]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _figures(records: Columns, config: Config) -> dict[str, Any]:
    seed, least = config.audit.seed, config.strata.min_records
    n_scored = int(records.equals("status", "scored").sum())
    n_eligible = int(records.equals("eligible", True).sum())
    return {
        "n_records": len(records),
        "n_scored": n_scored,
        "n_eligible": n_eligible,
        "small": n_scored < least,
        "small_eligible": n_eligible < least,
        **pointing_accuracy(records, seed),
        **mean_of(records, "energy_skill", "energy_skill", seed),
        "n_energy_skill": n_observed(records, "energy_skill"),
        **mean_of(records, "mask_iou", "mean_iou", seed),
        **background_focused_rate(records),
    }


def _splits(
    gathered: Gathered, labels: Mapping[str, Sequence[str]], config: Config
) -> dict[str, pd.Categorical]:
    """Way to split -> stratum of every record, its categories in the order of the table."""
    records = gathered.records
    edges = [0.0, *config.strata.area_fractions]
    ends = [*(f"{e:g}" for e in config.strata.area_fractions), "1"]
    bins = [(f"{low:g}-{high}", low) for low, high in zip(edges, ends, strict=True)]
    n_boxes = numbers(records, "n_boxes")
    place = pd.Index(gathered.images["file_name"]).get_indexer(records["file_name"])
    return {
        "box_size": _binned(gathered.arrays.boxes.largest_areas(), BOX_SIZES),
        "area_fraction": _binned(numbers(records, "area_fraction"), bins),
        "instances": _binned(n_boxes, INSTANCES),
        "prediction": _binned(
            numbers(records, "correct"), (("wrong", 0), ("right", 1))
        ),
        **{
            f"metadata.{column}": _frequent(labels[column], config.strata.max_values)[place]
            for column in config.strata.columns
        },
    }  # fmt: skip


def _binned(values: np.ndarray, bins: Sequence[tuple[str, float]]) -> pd.Categorical:
    """The bin of each value: name and least value of each, rising; NaN is unknown."""
    names = [name for name, _ in bins]
    codes = np.searchsorted([least for _, least in bins], values, side="right") - 1
    codes[np.isnan(values)] = len(names)
    return pd.Categorical.from_codes(codes, [*names, UNKNOWN])


def _frequent(labels: Sequence[str], most: int) -> pd.Categorical:
    """Labels as they are, the most frequent first; beyond ``most`` of them they share one stratum.

    An empty label is unknown. A label that is called as one of the two is put with it.
    """
    told = pd.Series([UNKNOWN if label == "" else label for label in labels], dtype=object)
    counts = told[~told.isin([UNKNOWN, OTHER])].value_counts().sort_index()
    kept = list(counts.sort_values(ascending=False, kind="stable").index[:most])
    told = told.where(told.isin([*kept, UNKNOWN]), OTHER)
    return pd.Categorical(told, [*kept, OTHER, UNKNOWN])
