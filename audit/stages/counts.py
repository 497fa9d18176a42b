"""Counts that add up: each is taken where it arises, so that a loss on the way shows."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from audit.stages.gather import Gathered


def run_counts(
    manifest: dict[str, Any],
    found: dict[str, Any],
    gathered: Gathered,
    predictions: pd.DataFrame,
    excluded: pd.DataFrame,
) -> dict[str, Any]:
    """Images, boxes and records of the run.

    Raises
    ------
    RuntimeError: they do not add up.
    """
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
        **record_counts(predictions),
        "excluded": tally(excluded["kind"] + ": " + excluded["reason"]),
    }
    for kind in ("images", "boxes"):
        if counts[f"{kind}_in"] != counts[f"{kind}_audited"] + counts[f"{kind}_excluded"]:
            raise RuntimeError(f"counts of {kind} do not add up: {json.dumps(counts)}")
    if counts["records"] != counts["targets"] * len(gathered.pairs):
        raise RuntimeError(f"a record is missing: {json.dumps(counts)}, {gathered.pairs}")
    return counts


def record_counts(predictions: pd.DataFrame) -> dict[str, Any]:
    """Records of a table: scored, eligible, and why not."""
    return {
        "records": len(predictions),
        "records_scored": int((predictions["status"] == "scored").sum()),
        "records_unscored": tally(predictions.loc[predictions["status"] != "scored", "reason"]),
        "records_eligible": int(predictions["eligible"].sum()),
        "records_not_eligible": tally(predictions["ineligible_reason"].dropna()),
    }


def tally(values: pd.Series) -> dict[str, int]:
    """How often each value is there, sorted by value."""
    return {str(k): int(v) for k, v in values.value_counts().sort_index().items()}
