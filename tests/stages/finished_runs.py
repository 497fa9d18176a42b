"""Results folders made by hand: what a comparison and a history read of a finished run."""

import json

import pandas as pd

from audit.config.model import Config
from audit.digest import digest_bytes, digest_file
from audit.stages.compare_pairs import COLUMNS
from audit.stages.layout import TABLES
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import write_frame

HOSTILE = "=<script>alert(1)</script>\r\n\u202e"
FIGURES = (
    "accuracy", "pointing_accuracy", "energy_skill", "mean_iou", "background_focused_rate",
)  # fmt: skip


def record(file_name, target, focused=False, **change):
    """An eligible record; its map is on the object unless ``focused``."""
    return {
        "file_name": file_name, "target_class": target, "method": "gradcam", "layer": "top",
        "reference": "class", "eligible": True, "background_focused": focused,
        "pointing_hit": not focused, "correct": True, "energy_skill": -0.2 if focused else 0.4,
        "mask_iou": 0.1 if focused else 0.5, "target_probability": 0.9, "status": "scored",
        "reason": None, "ineligible_reason": None, "predicted_class": target, "cluster": file_name,
    } | change  # fmt: skip


UNSCORED = {
    "status": "unscored", "reason": "flat_map", "eligible": False, "ineligible_reason": "unscored",
    "background_focused": None, "pointing_hit": None, "energy_skill": None, "mask_iou": None,
}  # fmt: skip
WRONG = {
    "correct": False, "predicted_class": "other", "eligible": False,
    "ineligible_reason": "wrong_prediction",
}  # fmt: skip


def config(**sections):
    values = {
        "audit": {"name": "zoo"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a.json", "images": "i"},
    }
    return Config.model_validate({**values, **sections})


def class_row(name, method="gradcam", layer="top", verdict="pass", **figures):
    known = dict.fromkeys(FIGURES, 0.5) | figures
    limits = {f"{k}_{end}": None for k in known for end in ("low", "high")}
    counts = dict.fromkeys(("n_images", "n_scored", "n_eligible", "n_energy_skill"), 40)
    return {
        "class": name, "method": method, "layer": layer, **counts, "n_unscored": 0, **limits,
        "pointing_chance": 0.2, "pointing_skill": 0.3, **known, "verdict": verdict,
        "confirmation": "not_run", "fitness": "fit",
    }  # fmt: skip


def write_run(root, records, *, name="zoo", excluded=(), rows=None, **provenance):
    """A finished run of these records."""
    root.mkdir(parents=True)
    frame = pd.DataFrame(records, columns=COLUMNS)
    truths = dict.fromkeys(("background_focused", "pointing_hit", "correct", "eligible"), "boolean")
    write_frame(root / "predictions.parquet", frame.astype(truths))
    pairs = frame[["method", "layer"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = list(pairs) or [("gradcam", "top")]
    if rows is None:
        names = [*sorted(frame["target_class"].unique()), "__all__"]
        rows = [class_row(c, m, x) for m, x in pairs for c in names]
    write_csv(root / "per_class.csv", pd.DataFrame(rows))
    left_out = [dict(zip(("kind", "file_name", "reason"), e, strict=True)) for e in excluded]
    write_csv(
        root / "excluded.csv", pd.DataFrame(left_out, columns=["kind", "file_name", "reason"])
    )
    write_json(
        root / "summary.json",
        {
            "schema_version": "1", "name": name, "warnings": [],
            "counts": {"images_in": 50, "images_excluded": len(left_out)},
            "methods": [{"method": m, "layer": x} for m, x in pairs],
        },
    )  # fmt: skip
    seal(root, **provenance)
    return root


def seal(root, *, images="1", model="3", finished="2026-05-01T10:00:00+00:00", sections=None):
    """The provenance that belongs to the tables."""
    for name in TABLES:
        if not (root / name).exists():
            (root / name).write_text("x\n")
    values = {
        "schema_version": "1", "focus_audit": "0.1.0", "finished": finished, "shards": [{"name": "s"}],
        "config": json.loads(config(**(sections or {})).model_dump_json()),
        "git": {"package": {"commit": "c" * 40, "dirty": False}, "working_directory": None},
        "hashes": {
            "model": {"m.keras": model}, "images": images, "annotations": {"a.json": "2"},
            "package_source": digest_bytes(b""),
            "tables": {name: digest_file(root / name) for name in TABLES},
        },
    }  # fmt: skip
    write_json(root / "provenance.json", values)
