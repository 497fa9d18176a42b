"""``judge``: all shards into tables, and what the heatmaps say of each class.

What is known without the model again. The verdicts of its classes are those of the heatmaps alone;
``summarise`` puts causal confirmation and the fitness of the explanation beside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.errors import AuditError
from audit.progress import Progress
from audit.stages.classes import ALL, class_table, threshold_table
from audit.stages.compare_methods import run_compare_methods
from audit.stages.counts import record_counts, run_counts
from audit.stages.eligibility import mark_eligible
from audit.stages.flagged import flagged_table
from audit.stages.gather import Gathered, configured_order, exclusions, gather
from audit.stages.layout import Layout
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import write_frame

PREDICTION_COLUMNS = (
    "image_id", "file_name", "target_class", "method", "layer", "role", "predicted_class",
    "predicted_score", "correct", "target_score", "target_probability", "n_boxes", "n_ignored",
    "n_classes", "reference", "area_fraction", "status", "reason", "pointing_hit",
    "pointing_hit_0px", "pointing_hit_15px", "point_x", "point_y", "pointing_tied", "pointing_note",
    "pointing_chance", "pointing_chance_15px", "pointing_chance_cells", "pointing_center",
    "energy_in_box", "energy_in_padding", "energy_ceiling", "energy_skill", "energy_cover",
    "skill_over_shuffled", "threshold", "mask_iou", "box_iou", "localisation_correct",
    "largest_box_cells", "duplicate_of", "eligible", "ineligible_reason", "background_focused",
)  # fmt: skip
EXCLUDED_COLUMNS = ("kind", "file_name", "where", "reason", "detail", "class_name", "n_boxes")


def run_judge(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write every table that needs no verdict, and for later stages the classes and the counts."""
    gathered = gather(layout, [s["name"] for s in manifest["shards"]])
    if not len(gathered.records):
        raise AuditError(
            "no record to score: no image has a class to explain", where="targets.classes",
            hint="see dataset.classes, and stages/model.json for the classes that are not mapped",
        )  # fmt: skip
    gathered = replace(gathered, records=mark_eligible(gathered.records))
    order = configured_order(gathered.pairs, config, found)
    classes = list(found["classes"])
    accuracy = accuracy_by_class(gathered, classes, found["facts"]["output"])
    per_class, over_shuffled = class_table(gathered, classes, accuracy, config)
    records = gathered.records.assign(skill_over_shuffled=over_shuffled)
    records = _with_names(records, gathered)
    excluded = excluded_table(gathered, exclusions(layout), classes)
    predictions = records.reindex(columns=_ordered(records))
    counts = run_counts(manifest, found, gathered, predictions, excluded)
    write_csv(layout.root / "predictions.csv", predictions)
    write_frame(layout.root / "predictions.parquet", predictions)
    flagged = flagged_table(predictions, config.report.overlays_flagged, order)
    write_csv(layout.root / "flagged.csv", flagged)
    thresholds = threshold_table(gathered, classes, config.heatmap.sweep)
    write_csv(layout.root / "thresholds.csv", thresholds)
    write_csv(layout.root / "excluded.csv", excluded)
    write_frame(layout.judged, per_class)
    write_json(layout.counts, {"counts": counts, "methods": _by_method(order, predictions)})
    run_compare_methods(config, layout, manifest, found, gathered=gathered)
    several = f" by {len(order)} methods and layers" if len(order) > 1 else ""
    progress.say(f"{len(predictions)} records of {len(classes)} classes{several}")


def _by_method(order: list[tuple[str, str]], predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Each method and layer, as the config lists them, with its own counts."""
    rows = []
    for method, layer in order:
        mine = (predictions["method"] == method) & (predictions["layer"] == layer)
        rows.append({"method": method, "layer": layer, "counts": record_counts(predictions[mine])})
    return rows


def accuracy_by_class(gathered: Gathered, classes: list[str], output: str) -> dict[str, np.ndarray]:
    """Right (1.) or wrong (0.) for each image with the class annotated; for :data:`ALL`, each image.

    Single-label models: the top output belongs to an annotated class. Multi-label: the class's own
    probability passes .5, known where the class was explained.
    """
    if output == "sigmoid":
        own = gathered.records[gathered.records["reference"] == "class"]
        own = own.drop_duplicates(["file_name", "target_class"])
        right = own["correct"].to_numpy(np.float64, na_value=np.nan)
        by_class = {c: right[(own["target_class"] == c).to_numpy()] for c in classes}
        return {**by_class, ALL: right}
    objects = gathered.objects[gathered.objects["class_name"].isin(classes)]
    pairs = objects[["file_name", "class_name"]].drop_duplicates()
    images = gathered.images.loc[gathered.images["fault"].isna(), ["file_name", "predicted_class"]]
    pairs = pairs.merge(images, on="file_name", how="inner")
    hit = (pairs["class_name"] == pairs["predicted_class"]).groupby(pairs["file_name"]).any()
    right = hit.reindex(pairs["file_name"]).to_numpy(np.float64)
    by_class = {c: right[(pairs["class_name"] == c).to_numpy()] for c in classes}
    return {**by_class, ALL: hit.to_numpy(np.float64)}


def excluded_table(
    gathered: Gathered, from_index: list[dict[str, Any]], classes: list[str]
) -> pd.DataFrame:
    """Rows of ``excluded.csv``: what the index left out, then images and boxes that later stages did."""
    counts = gathered.objects.groupby("file_name").size()
    rows = list(from_index)
    lost = gathered.images[gathered.images["fault"].notna() | (gathered.images["n_targets"] == 0)]
    for image in lost.itertuples():
        faulty = isinstance(image.fault, str)
        rows.append(
            {
                "kind": "image",
                "file_name": image.file_name,
                "where": image.where,
                "reason": image.fault if faulty else "no_target",
                "detail": image.detail if faulty else "no class to explain in it",
                "class_name": "",
                "n_boxes": int(counts.get(image.file_name, 0)),
            }
        )
    objects = gathered.objects[~gathered.objects["file_name"].isin(lost["file_name"])]
    for item in objects[~objects["class_name"].isin(classes)].itertuples():
        rows.append(
            {
                "kind": "box",
                "file_name": item.file_name,
                "where": item.where,
                "reason": "class_not_mapped",
                "detail": "dataset.classes names no output for it",
                "class_name": item.class_name,
                "n_boxes": 1,
            }
        )
    table = pd.DataFrame(rows, columns=list(EXCLUDED_COLUMNS))
    return table.sort_values(
        ["kind", "reason", "file_name", "where", "class_name"], kind="stable", ignore_index=True
    )


def _with_names(records: pd.DataFrame, gathered: Gathered) -> pd.DataFrame:
    """``duplicate_of``: the first image of a group of near-duplicates, by its file name."""
    first = gathered.images["file_name"].to_numpy()[records["group"].to_numpy(np.int64)]
    same = first == records["file_name"].to_numpy()
    return records.assign(duplicate_of=np.where(same, None, first))


def _ordered(records: pd.DataFrame) -> list[str]:
    """The fixed columns first, then those of further metrics."""
    internal = {"grid_height", "grid_width", "point_u", "point_v", "tied", "map_kind", "group"}
    internal |= {"width", "height", "heatmap_box"}
    return [*PREDICTION_COLUMNS, *(c for c in records if c not in {*PREDICTION_COLUMNS, *internal})]
