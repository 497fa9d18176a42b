"""The heatmap threshold chosen on the data, never on the images that it scores.

Images are cut into two halves by the digest of the seed and of their content; near-duplicates, and
images of one ``flags.group``, go together, and no shard or order matters. The threshold of one
half's records is, of the sweep, the one with the largest mean mask IoU over the other half's
records of the same method and layer, all classes together: records against the boxes of their own
class alone. All records are scored so (two-fold cross-fitting), and no model or picture is needed,
since the sweep is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.digest import digest_json
from audit.metrics.box_iou import CORRECT_IOU
from audit.metrics.over_records import best_threshold
from audit.stages.columns import cluster_of
from audit.stages.gather import LISTS, Gathered
from audit.stages.score import CALIBRATED

HALVES = 2
# Column of a record -> list that holds it at each threshold of the sweep.
AT_THRESHOLD = {
    "mask_iou": "mask_iou_sweep",
    "box_iou": "box_iou_sweep",
    "box_iou_wsol": "box_iou_wsol_sweep",
}

BOX_SWEEP = "heatmap_box_sweep"


@dataclass(frozen=True)
class Calibration:
    """Each record's half and threshold, in the records' order."""

    halves: np.ndarray
    """int64 (n,): 0 or 1."""
    places: np.ndarray
    """int64 (n,): place of the record's threshold in the sweep; -1 where the other half has no record
    to choose by."""

    def thresholds(self, sweep: Sequence[float]) -> np.ndarray:
        """float64 (n,): each record's threshold; NaN where there is none."""
        return np.where(self.places >= 0, np.array(sweep)[np.maximum(self.places, 0)], np.nan)

    def at(self, sweep: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Values (k,) of these records at their thresholds; NaN where there is none. ``sweep`` is of
        all records, (n, thresholds)."""
        places = self.places[rows]
        found = sweep[rows, np.maximum(places, 0)]
        return np.where(places >= 0, found, np.nan)


def calibrate(gathered: Gathered, seed: int) -> Calibration:
    """Choose both halves' thresholds for every method and layer; records with their clusters."""
    records = gathered.records
    halves = halves_of(list(gathered.images["sha256"]), seed)[cluster_of(records)]
    places = np.full(len(records), -1)
    sweep = gathered.arrays.sweeps.get("mask_iou_sweep")
    if sweep is None:
        return Calibration(halves, places)
    own = (records["reference"] == "class").to_numpy()
    for method, layer in gathered.pairs:
        mine = ((records["method"] == method) & (records["layer"] == layer)).to_numpy()
        for half in range(HALVES):
            place = best_threshold(sweep[mine & own & (halves != half)])
            places[mine & (halves == half)] = -1 if place is None else place
    return Calibration(halves, places)


def halves_of(digests: Sequence[str], seed: int) -> np.ndarray:
    """int64 (n,): 0 or 1 for each file's digest. A cluster of images has that of its first member."""
    return np.array([int(digest_json([seed, d])[:16], 16) % HALVES for d in digests], np.int64)


def lists_of(config: Config) -> list[str]:
    """The lists of a record that are read: every threshold's box only where one is to be chosen."""
    calibrated = config.heatmap.threshold == CALIBRATED
    return [name for name in LISTS if calibrated or name != BOX_SWEEP]


def with_calibrated(gathered: Gathered, calibration: Calibration, config: Config) -> Gathered:
    """The records with the values at their calibrated threshold, where the config asks for it.

    Where the other half has no record to choose by, they are empty.
    """
    if config.heatmap.threshold != CALIBRATED:
        return gathered
    sweeps, records = gathered.arrays.sweeps, gathered.records
    rows = np.arange(len(records))
    scored = records["mask_iou"].notna().to_numpy()
    columns: dict[str, Any] = {
        name: calibration.at(sweeps[sweep], rows)
        for name, sweep in AT_THRESHOLD.items()
        if sweep in sweeps
    }
    columns["threshold"] = np.where(scored, calibration.thresholds(config.heatmap.sweep), np.nan)
    if "box_iou" in columns:
        correct = pd.array(columns["box_iou"] >= CORRECT_IOU, "boolean")
        correct[np.isnan(columns["box_iou"])] = pd.NA
        columns["localisation_correct"] = correct
        boxes = {"heatmap_box": _boxes(sweeps[BOX_SWEEP], calibration.places)}
        sweeps = sweeps | boxes
    return replace(
        gathered,
        records=records.assign(**columns),
        arrays=replace(gathered.arrays, sweeps=sweeps),
    )


def by_half(values: np.ndarray, halves: np.ndarray) -> list[float]:
    """What the records of each half, (n,) values that are one within a half, have; NaN for none."""
    return [
        float(values[halves == half][:1].sum()) if (halves == half).any() else float("nan")
        for half in range(HALVES)
    ]


def _boxes(sweep: np.ndarray, places: np.ndarray) -> np.ndarray:
    """float64 (n, 4): each record's box at its threshold, from (n, 4 * thresholds)."""
    boxes = sweep.reshape(len(sweep), -1, 4).astype(np.float64)
    found = boxes[np.arange(len(boxes)), np.maximum(places, 0)]
    return np.where((places >= 0)[:, None], found, np.nan)
