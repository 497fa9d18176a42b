"""``summarise``: all shards into the tables that people read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.digest import digest_bytes
from audit.errors import AuditError
from audit.progress import Progress
from audit.stages.classes import ALL, class_table, threshold_table
from audit.stages.compare_methods import run_compare_methods
from audit.stages.eligibility import is_baseline, level_of, mark_eligible, of_baselines
from audit.stages.gather import Gathered, configured_order, exclusions, gather
from audit.stages.layout import Layout
from audit.stages.score import KEYS
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import SCHEMA_VERSION, write_frame

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
VERDICTS = ("flagged", "inconclusive", "insufficient", "pass")
# Below this an accuracy is said to be suspicious, once the interval is sure of it: the usual cause
# is a wrong preprocessing or class mapping, and then no heatmap means anything.
LOW_ACCURACY = 0.5


def run_summarise(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write every table and ``summary.json``."""
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
    flagged = flagged_table(predictions, config.report.overlays_flagged, order)
    write_csv(layout.root / "predictions.csv", predictions)
    write_frame(layout.root / "predictions.parquet", predictions)
    write_csv(layout.root / "per_class.csv", per_class)
    write_csv(layout.root / "flagged.csv", flagged)
    thresholds = threshold_table(gathered, classes, config.heatmap.sweep)
    write_csv(layout.root / "thresholds.csv", thresholds)
    write_csv(layout.root / "excluded.csv", excluded)
    summary = summarise(config, manifest, found, gathered, predictions, per_class, excluded, order)
    write_json(layout.root / "summary.json", summary)
    run_compare_methods(config, layout, manifest, found, gathered=gathered)
    several = f" by {len(order)} methods and layers" if len(order) > 1 else ""
    progress.say(f"{len(predictions)} records of {len(classes)} classes{several}")


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


def flagged_table(
    predictions: pd.DataFrame, pictures: int, order: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Background-focused records, worst first, some of them with the path of their overlay.

    Worst: those that count for a verdict before the others, then by energy skill, then the more
    confident prediction first. The pictures are dealt out in turn to each (method, layer) of
    ``order``, its worst first: skills of a fine grid lie lower, and would take them all.
    """
    focused = predictions["background_focused"].fillna(False).astype(bool)
    focused = predictions[focused & ~of_baselines(predictions)].sort_values(
        ["eligible", "energy_skill", "predicted_score", *KEYS],
        ascending=[False, True, False, *[True] * len(KEYS)],
        kind="stable",
        ignore_index=True,
    )
    turn = focused.groupby(["method", "layer"]).cumcount()
    place = [order.index(pair) for pair in zip(focused["method"], focused["layer"], strict=True)]
    paths = pd.Series([None] * len(focused), dtype=object)
    for rank in np.lexsort([place, turn])[:pictures].tolist():
        key = record_key(focused.loc[rank], several=len(order) > 1)
        paths[rank] = overlay_name("flagged", rank + 1, *key)
    return focused.assign(overlay=paths)


def record_key(record: Mapping[str, Any], several: bool) -> list[str]:
    """What tells a record from the others; method and layer, where there are several of them."""
    return [record[key] for key in (KEYS if several else KEYS[:2])]


def overlay_name(kind: str, rank: int, file_name: str, target_class: str, *by: str) -> str:
    """Path of an overlay below the results folder; nothing of a hostile name gets into it.

    ``by``: method and layer, where records differ in them.
    """
    key = digest_bytes("\0".join((file_name, target_class, *by)).encode(errors="surrogateescape"))
    # The end of a layer's path says the most.
    label = "_".join([_plain(target_class)[:40], *(_plain(text)[-30:] for text in by)])
    return f"overlays/{kind}_{rank:04d}_{label}_{key[:10]}.jpg"


def _plain(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)


def summarise(
    config: Config,
    manifest: dict[str, Any],
    found: dict[str, Any],
    gathered: Gathered,
    predictions: pd.DataFrame,
    per_class: pd.DataFrame,
    excluded: pd.DataFrame,
    order: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """``summary.json``: counts that add up, verdicts, and what a reader should be told first.

    What stands at the top is of the first of ``order``; ``methods`` has them all.
    """
    counts = _counts(manifest, found, gathered, predictions, excluded)
    methods = [_method(pair, predictions, per_class) for pair in order]
    leading = methods[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "name": config.audit.name,
        "model": {"sha256": found["sha256"], **found["facts"]},
        "counts": counts,
        "accuracy": _number(_of(per_class, order[0], ALL)["accuracy"].iloc[0]),
        "pointing_accuracy": leading["pointing_accuracy"],
        "background_focused_rate": leading["background_focused_rate"],
        "verdicts": leading["verdicts"],
        "methods": methods,
        "verdicts_differ": verdicts_differ(per_class),
        "classes_not_mapped": found["classes_not_mapped"],
        "classes_without_annotation": found["classes_without_annotation"],
        "warnings": _warnings(per_class, found),
        "notes": manifest["notes"],
    }


def _method(
    pair: tuple[str, str], predictions: pd.DataFrame, per_class: pd.DataFrame
) -> dict[str, Any]:
    """What one method at one layer found; a baseline finds nothing, and has figures alone."""
    overall = _of(per_class, pair, ALL).iloc[0]
    classes = _of(per_class, pair)
    rate = None if is_baseline(pair[0]) else _number(overall["background_focused_rate"])
    return {
        "method": pair[0],
        "layer": pair[1],
        "level": level_of(pair[0]),
        "counts": _record_counts(_of(predictions, pair)),
        "pointing_accuracy": _number(overall["pointing_accuracy"]),
        "background_focused_rate": rate,
        "verdicts": {
            name: sorted(classes.loc[classes["verdict"] == name, "class"].unique())
            for name in VERDICTS
        },
    }


def _of(table: pd.DataFrame, pair: tuple[str, str], name: str | None = None) -> pd.DataFrame:
    """The rows of one method and layer, and of one class."""
    chosen = (table["method"] == pair[0]) & (table["layer"] == pair[1])
    return table[chosen if name is None else chosen & (table["class"] == name)]


def verdicts_differ(per_class: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """Classes on which methods and layers do not agree, and what each says."""
    told = per_class[per_class["verdict"].notna()]
    return {
        name: rows[["method", "layer", "verdict"]].to_dict("records")
        for name, rows in told.groupby("class")
        if rows["verdict"].nunique() > 1
    }


def _counts(
    manifest: dict[str, Any],
    found: dict[str, Any],
    gathered: Gathered,
    predictions: pd.DataFrame,
    excluded: pd.DataFrame,
) -> dict[str, Any]:
    """Each count is taken where it arises, so that a loss on the way shows as a sum that is off."""
    indexed = manifest["counts"]
    images = excluded["kind"] == "image"
    seen = gathered.images.loc[gathered.images["n_targets"].fillna(0) > 0, "file_name"]
    objects = gathered.objects
    boxes = objects["file_name"].isin(seen) & objects["class_name"].isin(found["classes"])
    counts = {
        "images_in": indexed["images_in"],
        "images_audited": len(seen),
        "images_excluded": int(images.sum()),
        "boxes_in": indexed["boxes_in"],
        "boxes_audited": int(boxes.sum()),
        "boxes_excluded": int(excluded["n_boxes"].sum()),
        "targets": int(gathered.images["n_targets"].sum()),
        **_record_counts(predictions),
        "excluded": _tally(excluded["kind"] + ": " + excluded["reason"]),
    }
    for kind in ("images", "boxes"):
        if counts[f"{kind}_in"] != counts[f"{kind}_audited"] + counts[f"{kind}_excluded"]:
            raise RuntimeError(f"counts of {kind} do not add up: {json.dumps(counts)}")
    if counts["records"] != counts["targets"] * len(gathered.pairs):
        raise RuntimeError(f"a record is missing: {json.dumps(counts)}, {gathered.pairs}")
    return counts


def _record_counts(predictions: pd.DataFrame) -> dict[str, Any]:
    return {
        "records": len(predictions),
        "records_scored": int((predictions["status"] == "scored").sum()),
        "records_unscored": _tally(predictions.loc[predictions["status"] != "scored", "reason"]),
        "records_eligible": int(predictions["eligible"].sum()),
        "records_not_eligible": _tally(predictions["ineligible_reason"].dropna()),
    }


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(k): int(v) for k, v in values.value_counts().sort_index().items()}


def _warnings(per_class: pd.DataFrame, found: dict[str, Any]) -> list[str]:
    """What makes the whole audit doubtful."""
    warnings = []
    overall = per_class[per_class["class"] == ALL].iloc[0]
    if overall["accuracy_high"] < LOW_ACCURACY:
        warnings.append(
            f"accuracy is only {overall['accuracy']:.3f}: check model.preprocess, model.resize and "
            "dataset.classes before believing any heatmap"
        )
    if found["facts"]["score_reason"].startswith("logits not found"):
        warnings.append(found["facts"]["score_reason"])
    return warnings


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


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
