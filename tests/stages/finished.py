"""A finished run made by hand: its tables, provenance and verdict, with pictures on disk."""

import json

import pandas as pd
from PIL import Image

from audit.config.model import Config
from audit.digest import digest_file
from audit.progress import Progress
from audit.stages.gate import run_verdict
from audit.stages.index import INDEX_SCHEMA
from audit.stages.layout import Layout
from audit.tables.csv import write_csv
from audit.tables.parquet import write_frame, write_rows

WIDTH, HEIGHT = 40, 30
PER_CLASS = 3
BOX = [5.0, 6.0, 20.0, 10.0]
HEATMAP_BOX = [4.0, 5.0, 10.0, 8.0]
SHARD = "0-abc"


def config(**sections):
    return Config.model_validate(
        {
            "audit": {"name": "zoo"},
            "model": {"path": "m.keras", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "a.json", "images": "i"},
            **sections,
        }
    )


def write_finished(root, verdicts, gate=None, system=None):
    """A run of three pictures a class: class -> verdict. The last class's energy was not observed."""
    root.mkdir(parents=True)
    values = config(**{k: v for k, v in (("gate", gate), ("system", system)) if v})
    names = list(verdicts)
    write_csv(root / "per_class.csv", per_class(verdicts))
    records = predictions(root, names)
    write_frame(root / "predictions.parquet", records)
    write_csv(root / "predictions.csv", records)
    write_coco(root, records, names)
    (root / "summary.json").write_text(json.dumps(summary(verdicts, len(records))))
    tables = ("per_class.csv", "summary.json", "predictions.parquet", "predictions.csv")
    tables += ("heatmap_boxes.json", "heatmap_boxes_gt.json")
    provenance = {
        "schema_version": "1", "focus_audit": "0.1.0", "config": values.model_dump(mode="json"),
        "started": "2026-05-30T10:00:00+00:00", "finished": "2026-05-30T10:05:00+00:00",
        "choices": {"input_height": 8, "input_width": 9},
        "shards": [{"name": SHARD}], "git": {"package": {"commit": "c0ffee", "dirty": False}},
        "hashes": {
            "model": {"m.keras": "a" * 64}, "images": "1", "annotations": {"a.json": "2"},
            "package_source": "3", "tables": {name: digest_file(root / name) for name in tables},
        },
    }  # fmt: skip
    (root / "provenance.json").write_text(json.dumps(provenance))
    run_verdict(values, Layout(root), Progress("verdict", quiet=True))
    return root


def per_class(verdicts):
    rates = ("accuracy", "pointing_accuracy", "background_focused_rate", "energy_skill")
    figures = {name: [0.75] for name in rates}
    figures |= {
        f"{name}_{end}": [0.5 if end == "low" else 0.875]
        for name in rates
        for end in ("low", "high")
    }
    rows = []
    for name, verdict in {**verdicts, "__all__": None}.items():
        row = pd.DataFrame({"class": [name], "method": "gradcam", "layer": "top", **figures})
        row = row.assign(n_images=40, n_scored=40, n_unscored=0, n_eligible=40, n_energy_skill=40)
        row = row.assign(pointing_chance=0.25, pointing_skill=0.5, mean_iou=0.25, fitness="fit")
        rows.append(row.assign(verdict=verdict, confirmation="not_run", verdict_stable=True))
    table = pd.concat(rows, ignore_index=True)
    table.loc[len(verdicts) - 1, ["energy_skill", "energy_skill_low", "energy_skill_high"]] = None
    return table


def predictions(root, names):
    """Records of pictures that lie in ``pictures`` beside the run, and the index that knows them."""
    rows, index = [], []
    for number, name in enumerate(names):
        for k in range(PER_CLASS):
            file_name = f"c{number}/p{k}.png"
            path = root.parent / "pictures" / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (WIDTH, HEIGHT), (number, k, 0)).save(path)
            index.append({"image_id": file_name, "file_name": file_name, "path": str(path),
                          "sha256": digest_file(path)})  # fmt: skip
            last = name == names[-1]
            rows.append({
                "image_id": file_name, "file_name": file_name, "target_class": name,
                "method": "gradcam", "layer": "top", "target_probability": 0.5 + k / 10,
                "status": "scored", "eligible": True, "background_focused": None if last else k == 0,
                "energy_skill": None if last else 0.25 * k,
            })  # fmt: skip
    write_rows(Layout(root).index(SHARD), INDEX_SCHEMA, index)
    frame = pd.DataFrame(rows).astype({"background_focused": "boolean", "energy_skill": "float64"})
    return frame.sort_values("file_name", ignore_index=True)


def write_coco(root, records, names):
    categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    numbers = {c["name"]: c["id"] for c in categories}
    images = [
        {"id": k, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for k, name in enumerate(records["file_name"], 1)
    ]
    truth = [
        {
            "id": k,
            "image_id": k,
            "category_id": numbers[name],
            "bbox": BOX,
            "area": 200.0,
            "iscrowd": 0,
        }
        for k, name in enumerate(records["target_class"], 1)
    ]
    found = [
        {
            "image_id": t["image_id"],
            "category_id": t["category_id"],
            "bbox": HEATMAP_BOX,
            "score": score,
        }
        for t, score in zip(truth, records["target_probability"], strict=True)
    ]
    values = {"images": images, "categories": categories, "annotations": truth}
    (root / "heatmap_boxes_gt.json").write_text(json.dumps(values))
    (root / "heatmap_boxes.json").write_text(json.dumps(found))


def summary(verdicts, n_records):
    counts = {
        "images_in": 50, "images_audited": 49, "images_excluded": 1, "boxes_excluded": 2,
        "records": n_records, "records_scored": n_records, "records_eligible": n_records,
        "records_not_eligible": {},
    }  # fmt: skip
    model = {"sha256": "a" * 64, "input_height": 8, "input_width": 9, "channels": 3, "n_outputs": 2}
    model |= {"output": "softmax", "output_reason": "graph", "n_parameters": 5}
    by_verdict = {v: [n for n in verdicts if verdicts[n] == v] for v in ("flagged", "pass")}
    method = {"method": "gradcam", "layer": "top", "level": "layer", "verdicts": by_verdict}
    return {
        "schema_version": "1", "name": "zoo", "counts": counts, "model": model, "warnings": [],
        "methods": [method], "verdicts": by_verdict, "accuracy": 0.75,
    }  # fmt: skip
