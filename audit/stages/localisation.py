"""``localisation.csv``: metrics of localisation papers, a row a class, method and layer; COCO files.

What has no value for one record (MaxBoxAcc, PxAP), what asks for the class, too (localisation error,
pointing with recall, COCO's AP), the means of the metrics that ``per_class.csv`` has not, and the
figures at the calibrated threshold beside those at the best one, which flatters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.heatmaps import FLAT_MAP
from audit.metrics.box_iou import CORRECT_IOU
from audit.metrics.over_records import (
    BOX_LEVELS,
    best_threshold,
    max_box_acc,
    observed,
    pixel_average_precision,
    recall_hits,
    rejection_threshold,
)
from audit.stages.calibration import HALVES, Calibration, by_half
from audit.stages.coco_boxes import (
    Detected,
    Truth,
    detections,
    evaluate,
    over_classes,
    results,
    truth,
    write_lines,
)
from audit.stages.columns import Columns, numbers
from audit.stages.figures import ALL, Selection, mean_observed, select
from audit.stages.gather import Gathered
from audit.stages.layout import Layout
from audit.tables.csv import write_csv

# Metrics of a record whose mean stands nowhere else.
MEANS = ("relevance_rank", "top_k_intersection", "auc", "inside_outside_ratio")
# How many predictions may name the class (ILSVRC).
TOPS = (1, 5)
TOP_K = "top_k"
NAN = float("nan")
# Ending of a column -> the sweep of box IoU that it counts by.
BOXES = {"": "box_iou_sweep", "_wsol": "box_iou_wsol_sweep"}
# Lists that further columns are made of -> what is said where the metric was not chosen.
NOT_TAKEN = {
    "mask_iou_sweep": "mask_iou is not among the metrics: nothing is calibrated",
    "box_iou_sweep": "box_iou is not among the metrics: no MaxBoxAcc, localisation error, COCO",
    "box_iou_wsol_sweep": "box_iou_wsol is not among the metrics: no MaxBoxAcc by its count",
    "levels_inside": "pixel_levels is not among the metrics: no PxAP",
}
NO_TOP_K = "targets.classes has no top_k: no pointing with recall"


@dataclass(frozen=True)
class Recall:
    """Pointing with recall of every record, in the records' order."""

    right: np.ndarray
    """float64 (n,): 1 a right decision, 0 a wrong one, NaN for a record that does not take part."""
    thresholds: np.ndarray
    """float64 (n,): that on the map's maximum; NaN as above."""
    absent: np.ndarray
    """bool (n,): the class is not in the image."""


def write_localisation(
    config: Config,
    layout: Layout,
    gathered: Gathered,
    calibration: Calibration,
    classes: Sequence[str],
    order: Sequence[tuple[str, str]],
) -> None:
    """Write ``localisation.csv``, and the COCO files of the first configured method and layer."""
    reference = truth(gathered, classes)
    found = {pair: detections(gathered, pair, classes) for pair in order}
    table = localisation_table(gathered, calibration, classes, config, reference, found)
    write_csv(layout.root / "localisation.csv", table)
    write_lines(layout.root / "heatmap_boxes.json", results(found[order[0]]))
    write_lines(layout.root / "heatmap_boxes_gt.json", reference.lines())


def localisation_table(
    gathered: Gathered,
    calibration: Calibration,
    classes: Sequence[str],
    config: Config,
    reference: Truth,
    found: dict[tuple[str, str], pd.DataFrame],
) -> pd.DataFrame:
    """Rows of ``localisation.csv``: classes in their order, then :data:`ALL`, pair by pair."""
    recall = pointing_with_recall(gathered, calibration)
    note = "; ".join(_not_taken(gathered, config))
    own = (gathered.records["reference"] == "class").to_numpy()
    rows = []
    for method, layer in gathered.pairs:
        figures = evaluate(reference, found[method, layer])
        mine = (gathered.records["method"] == method) & (gathered.records["layer"] == layer)
        every = Selection(ALL, method, layer, np.flatnonzero(mine))
        selections = select(gathered.records, classes, method, layer, others=True)
        for number, selection in enumerate((*selections, every), 1):
            of_class = selection.rows
            detected = figures.get(number) or over_classes(list(figures.values()))
            rows.append(
                {"class": selection.name, "method": method, "layer": layer}
                | _of_own_boxes(gathered, calibration, of_class[own[of_class]], config)
                | _recall_columns(recall, calibration, of_class)
                | _coco_columns(detected)
                | {"note": note}
            )
    return pd.DataFrame(rows)


def pointing_with_recall(gathered: Gathered, calibration: Calibration) -> Recall:
    """Maps of the top-k predictions, present classes and absent ones, of every method and layer.

    The threshold on the map's maximum is the best one for the other half of the images, all classes
    together. A map of zeros is rejected under any threshold above 0. A present class whose hit is not
    known (no box in view, its maximum in an ignored region) takes no part, nor does a map that is not
    finite.
    """
    records = gathered.records
    absent = (records["reference"] != "class").to_numpy()
    maxima = records["heatmap_scale"].to_numpy(np.float64)
    hits = np.where(absent, NAN, numbers(records, "pointing_hit"))
    flat = (records["reason"] == FLAT_MAP).to_numpy(bool)
    hits[flat & ~absent] = 0.0
    asked = records["role"].str.split("+").map(lambda roles: TOP_K in roles).to_numpy(bool)
    takes_part = asked & np.isfinite(maxima) & (absent | ~np.isnan(hits))
    right, thresholds = np.full((2, len(records)), NAN)
    for method, layer in gathered.pairs:
        mine = takes_part & ((records["method"] == method) & (records["layer"] == layer)).to_numpy()
        for half in range(HALVES):
            scored = mine & (calibration.halves == half)
            others = mine & ~scored
            threshold = rejection_threshold(maxima[others], hits[others])
            if threshold is not None:
                right[scored] = recall_hits(maxima[scored], hits[scored], threshold)
                thresholds[scored] = threshold
    return Recall(right, thresholds, absent)


def _of_own_boxes(
    gathered: Gathered, calibration: Calibration, rows: np.ndarray, config: Config
) -> dict[str, Any]:
    """Everything that is scored against the boxes of the record's own class."""
    sweep = config.heatmap.sweep
    records = gathered.columns.take(rows)
    row: dict[str, Any] = {"n_scored": int(records.equals("status", "scored").sum())}
    for name in MEANS:
        values = records.numbers(name)
        row |= {name: mean_observed(values), f"n_{name}": int((~np.isnan(values)).sum())}
    for suffix, name in BOXES.items():
        row |= _box_acc_columns(_sweep(gathered, name, rows, len(sweep)), sweep, suffix)
    return (
        row
        | _pxap_columns(gathered, rows)
        | _error_columns(records)
        | _calibrated_columns(gathered, calibration, rows, sweep)
    )


def _box_acc_columns(values: np.ndarray, sweep: Sequence[float], suffix: str) -> dict[str, Any]:
    best = max_box_acc(values)
    row: dict[str, Any] = {f"n_max_box_acc{suffix}": int(observed(values).sum())}
    for k, level in enumerate(BOX_LEVELS):
        name = f"max_box_acc{suffix}_{round(100 * level)}"
        row[name] = NAN if best is None else float(best.values[k])
        row[f"{name}_threshold"] = NAN if best is None else sweep[best.places[k]]
    return row | {f"max_box_acc_v2{suffix}": NAN if best is None else best.v2}


def _pxap_columns(gathered: Gathered, rows: np.ndarray) -> dict[str, Any]:
    lists = gathered.arrays.sweeps
    if "levels_inside" not in lists:
        return {"pxap": NAN, "n_pxap": 0}
    inside, outside = (lists[name][rows] for name in ("levels_inside", "levels_outside"))
    found = pixel_average_precision(inside, outside)
    return {"pxap": NAN if found is None else found, "n_pxap": int(observed(inside).sum())}


def _error_columns(records: Columns) -> dict[str, Any]:
    """Share of records whose class is not among the top predictions, or whose box misses."""
    iou, rank = records.numbers("box_iou"), records.numbers("target_rank")
    known = ~np.isnan(iou) & ~np.isnan(rank)
    row: dict[str, Any] = {"n_localisation_error": int(known.sum())}
    for top in TOPS:
        wrong = (iou < CORRECT_IOU) | (rank > top)
        row[f"localisation_error_top{top}"] = mean_observed(wrong[known])
    return row


def _calibrated_columns(
    gathered: Gathered, calibration: Calibration, rows: np.ndarray, sweep: Sequence[float]
) -> dict[str, Any]:
    """Figures at the threshold that the other half chose, and at the best one on these records."""
    whole = {n: _sweep(gathered, n, slice(None), len(sweep)) for n in ("mask_iou_sweep", BOXES[""])}
    masks, boxes = (calibration.at(values, rows) for values in whole.values())
    best = best_threshold(whole["mask_iou_sweep"][rows])
    found = boxes[~np.isnan(boxes)]
    levels = [mean_observed(found >= level) for level in BOX_LEVELS]
    first, second = by_half(calibration.thresholds(sweep)[rows], calibration.halves[rows])
    return {
        "calibrated_threshold_1": first,
        "calibrated_threshold_2": second,
        "n_calibrated": int((~np.isnan(masks)).sum()),
        "calibrated_mean_iou": mean_observed(masks),
        "calibrated_mean_box_iou": mean_observed(boxes),
        "calibrated_localisation_accuracy": levels[BOX_LEVELS.index(CORRECT_IOU)],
        "calibrated_box_acc_v2": float(np.mean(levels)),
        "best_threshold": NAN if best is None else sweep[best],
        "best_mean_iou": NAN
        if best is None
        else mean_observed(whole["mask_iou_sweep"][rows, best]),
    }


def _recall_columns(recall: Recall, calibration: Calibration, rows: np.ndarray) -> dict[str, Any]:
    rows = rows[~np.isnan(recall.right[rows])]
    right, absent = recall.right[rows], recall.absent[rows]
    first, second = by_half(recall.thresholds[rows], calibration.halves[rows])
    return {
        "pointing_with_recall": mean_observed(right),
        "n_pointing_with_recall": len(rows),
        "n_absent": int(absent.sum()),
        "absent_rejected": mean_observed(right[absent]),
        "rejection_threshold_1": first,
        "rejection_threshold_2": second,
    }


def _coco_columns(found: Detected) -> dict[str, Any]:
    return {
        "coco_ap": found.ap,
        "coco_ap_50": found.ap_50,
        "coco_ap_75": found.ap_75,
        "coco_ar": found.ar,
        "n_coco_boxes": found.n_boxes,
        "n_coco_references": found.n_references,
    }


def _not_taken(gathered: Gathered, config: Config) -> list[str]:
    """Why columns are empty in all rows."""
    lists = gathered.arrays.sweeps
    said = [text for name, text in NOT_TAKEN.items() if name not in lists]
    if missing := [name for name in MEANS if name not in gathered.records]:
        said.append(f"not among the metrics: {', '.join(missing)}")
    return said if TOP_K in config.targets.chosen() else [*said, NO_TOP_K]


def _sweep(gathered: Gathered, name: str, rows: np.ndarray | slice, width: int) -> np.ndarray:
    """(n, width) of a stored sweep; NaN where the metric was not chosen."""
    values = gathered.arrays.sweeps.get(name)
    if values is None or not values.shape[1]:
        return np.full((len(gathered.records), width), NAN)[rows]
    return values[rows]
