"""``judge``: all shards into tables, and what the heatmaps say of each class.

What is known without the model again. The verdicts of its classes are those of the heatmaps alone;
``summarise`` puts causal confirmation and the fitness of the explanation beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.errors import AuditError
from audit.progress import Progress
from audit.stages.ambiguity import ambiguity_table
from audit.stages.calibration import calibrate, lists_of, with_calibrated
from audit.stages.classes import ALL, class_table, threshold_table
from audit.stages.clusters import clusters
from audit.stages.columns import cluster_of, numbers
from audit.stages.compare_methods import run_compare_methods
from audit.stages.counts import record_counts, run_counts
from audit.stages.eligibility import NON_FINITE_OUTPUT, mark_eligible
from audit.stages.figures import Answers, places
from audit.stages.flagged import flagged_table
from audit.stages.gather import Gathered, configured_order, exclusions, gather
from audit.stages.layout import Layout
from audit.stages.localisation import write_localisation
from audit.stages.metadata import labels_of
from audit.stages.strata import strata_table
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import write_frame

PREDICTION_COLUMNS = (
    "image_id", "file_name", "target_class", "method", "layer", "role", "predicted_class",
    "predicted_score", "correct", "target_score", "target_probability", "n_boxes", "n_ignored",
    "n_classes", "reference", "area_fraction", "status", "reason", "pointing_hit",
    "pointing_hit_0px", "pointing_hit_15px", "point_x", "point_y", "pointing_distance",
    "pointing_tied", "pointing_note", "pointing_chance", "pointing_chance_15px",
    "pointing_chance_cells", "pointing_center", "energy_in_box", "energy_in_padding",
    "energy_ceiling", "energy_skill", "energy_cover", "skill_over_shuffled", "threshold",
    "mask_iou", "box_iou", "localisation_correct", "largest_box_cells", "duplicate_of", "cluster",
    "eligible", "ineligible_reason", "background_focused",
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
    gathered = gather(layout, [s["name"] for s in manifest["shards"]], lists_of(config))
    if not len(gathered.records):
        raise _nothing_to_score(gathered)
    labels = labels_of(config, gathered.images["file_name"].tolist())
    gathered = _marked(_clustered(gathered, labels, config), config)
    calibration = calibrate(gathered, config.audit.seed)
    gathered = with_calibrated(gathered, calibration, config)
    order = configured_order(gathered.pairs, config, found)
    classes = list(found["classes"])
    answers = answers_by_class(gathered, classes, found["facts"]["output"])
    judged = class_table(gathered, classes, answers, config)
    records = gathered.records.assign(skill_over_shuffled=judged.over_shuffled)
    records = with_names(records, gathered)
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
    write_localisation(config, layout, gathered, calibration, classes, order)
    strata = strata_table(gathered, classes, labels, config)
    write_csv(layout.root / "strata.csv", strata)
    write_csv(layout.root / "ambiguity.csv", ambiguity_table(gathered, classes))
    write_csv(layout.root / "sensitivity.csv", judged.sensitivity)
    write_frame(layout.judged, judged.classes)
    write_json(layout.counts, {"counts": counts, "methods": _by_method(order, predictions)})
    run_compare_methods(config, layout, manifest, found, gathered=gathered)
    several = f" by {len(order)} methods and layers" if len(order) > 1 else ""
    progress.say(f"{len(predictions)} records of {len(classes)} classes{several}")


def _nothing_to_score(gathered: Gathered) -> AuditError:
    faults = gathered.images["fault"].dropna()
    if len(faults) == len(gathered.images):
        most = faults.mode()[0]
        detail = gathered.images.loc[gathered.images["fault"] == most, "detail"].iloc[0]
        count = f"{(faults == most).sum()} of {len(faults)}"
        return AuditError(
            f"no image could be explained, {count} for {most}: {detail}",
            where="model.path" if most == NON_FINITE_OUTPUT else "dataset.images",
        )
    return AuditError(
        "no record to score: no image has a class to explain", where="targets.classes",
        hint="see dataset.classes, and stages/model.json for the classes that are not mapped",
    )  # fmt: skip


def _by_method(order: list[tuple[str, str]], predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Each method and layer, as the config lists them, with its own counts."""
    rows = []
    for method, layer in order:
        mine = (predictions["method"] == method) & (predictions["layer"] == layer)
        rows.append({"method": method, "layer": layer, "counts": record_counts(predictions[mine])})
    return rows


def answers_by_class(gathered: Gathered, classes: list[str], output: str) -> dict[str, Answers]:
    """Right or wrong for each image with the class annotated; for :data:`ALL`, each image.

    Single-label models: the top output belongs to an annotated class. Multi-label: the class's own
    probability passes .5, known where the class was explained.
    """
    if output == "sigmoid":
        own = gathered.records[gathered.records["reference"] == "class"]
        own = own.drop_duplicates(["file_name", "target_class"])
        every = Answers(numbers(own, "correct"), cluster_of(own))
        return {**_by_class(every, own["target_class"], classes), ALL: every}
    objects = gathered.objects[gathered.objects["class_name"].isin(classes)]
    pairs = objects[["file_name", "class_name"]].drop_duplicates()
    columns = ["file_name", "predicted_class", "cluster"]
    images = gathered.images.loc[gathered.images["fault"].isna(), columns]
    pairs = pairs.merge(images, on="file_name", how="inner")
    pairs["hit"] = pairs["class_name"] == pairs["predicted_class"]
    pairs["hit"] = pairs.groupby("file_name")["hit"].transform("any")
    by_class = _by_class(_answers(pairs), pairs["class_name"], classes)
    return {**by_class, ALL: _answers(pairs.drop_duplicates("file_name"))}


def _answers(rows: pd.DataFrame) -> Answers:
    return Answers(numbers(rows, "hit"), cluster_of(rows))


def _by_class(every: Answers, names: pd.Series, classes: list[str]) -> dict[str, Answers]:
    of_class = places(classes, names)
    return {
        c: Answers(*(v[rows] for v in every)) for c, rows in zip(classes, of_class, strict=True)
    }


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


def _clustered(gathered: Gathered, labels: Mapping[str, Sequence[str]], config: Config) -> Gathered:
    """Images and records with ``cluster``, the number of their cluster of images."""
    images, records = gathered.images, gathered.records
    of_image = clusters(images["group"].to_numpy(np.int64), labels.get(config.flags.group))
    place = pd.Index(images["file_name"]).get_indexer(records["file_name"])
    return replace(
        gathered,
        images=images.assign(cluster=of_image),
        records=records.assign(cluster=of_image[place]),
    )


def _marked(gathered: Gathered, config: Config) -> Gathered:
    """Records with whether a verdict may rest on them, and why not."""
    annotated = set(gathered.objects["class_name"])
    records = mark_eligible(gathered.records, annotated, config.flags.label_error_score)
    return replace(gathered, records=records)


def with_names(records: pd.DataFrame, gathered: Gathered) -> pd.DataFrame:
    """``duplicate_of`` and ``cluster``: file names of the first near-duplicate and cluster member."""
    names = gathered.images["file_name"].to_numpy()
    first = names[records["group"].to_numpy(np.int64)]
    same = first == records["file_name"].to_numpy()
    return records.assign(
        duplicate_of=np.where(same, None, first), cluster=names[cluster_of(records)]
    )


def _ordered(records: pd.DataFrame) -> list[str]:
    """The fixed columns first, then those of further metrics."""
    internal = {"grid_height", "grid_width", "point_u", "point_v", "tied", "map_kind", "group"}
    internal |= {"width", "height", "heatmap_scale", "judged_height", "judged_width"}
    return [*PREDICTION_COLUMNS, *(c for c in records if c not in {*PREDICTION_COLUMNS, *internal})]
