"""Heatmap boxes as detections: COCO files, and what COCOeval says of them.

Each record of a mapped class with a heatmap box is a detection of its class, scored by the class's
probability; a class that the config explains although it is absent is a false alarm, as a
detector's would be. The truth is every box of a mapped class in the images that the model saw, on
the original's pixels and not cut to what the model sees; crowd and difficult objects are ``iscrowd``.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from audit.stages.gather import CORNERS, Gathered
from audit.tables.atomic import write_text

# IoU thresholds of which COCO gives the AP by themselves, in its list of ten from .5 to .95.
AP_50, AP_75 = 0, 5


class Detected(NamedTuple):
    """COCOeval's figures for a class; NaN where there is nothing to find."""

    ap: float
    """Mean over IoU .50 to .95."""
    ap_50: float
    ap_75: float
    ar: float
    """Largest recall with up to 100 boxes an image, mean over IoU .50 to .95."""
    n_boxes: int
    """Detections."""
    n_references: int
    """Boxes to find, crowds left out."""


NOTHING = Detected(*(float("nan"),) * 4, 0, 0)


def truth(gathered: Gathered, classes: Sequence[str]) -> dict[str, Any]:
    """The reference boxes in COCO's form; images and classes are numbered from 1 in their order."""
    images = gathered.images[gathered.images["fault"].isna()]
    numbers = _numbers(images["file_name"])
    categories = _numbers(classes)
    objects = gathered.objects
    known = objects["file_name"].isin(numbers) & objects["class_name"].isin(categories)
    objects = objects[known].sort_values(["file_name", "class_name", *CORNERS], kind="stable")
    annotations = []
    for number, item in enumerate(objects.itertuples(), 1):
        box = _xywh((item.x0, item.y0, item.x1, item.y1))
        annotations.append(
            {
                "id": number, "image_id": numbers[item.file_name],
                "category_id": categories[item.class_name], "bbox": box,
                "area": box[2] * box[3], "iscrowd": int(item.ignored),
            }
        )  # fmt: skip
    return {
        "info": {"description": "reference boxes of the audited classes"},
        "images": [
            {"id": numbers[name], "file_name": name, "width": int(width), "height": int(height)}
            for name, width, height in zip(
                images["file_name"], images["width"], images["height"], strict=True
            )
        ],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "annotations": annotations,
    }


def detections(
    gathered: Gathered, pair: tuple[str, str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """COCO results: the heatmap boxes of one method and layer."""
    boxes = gathered.arrays.sweeps.get("heatmap_box")
    if boxes is None:
        return []
    numbers = _numbers(gathered.images.loc[gathered.images["fault"].isna(), "file_name"])
    categories = _numbers(classes)
    records = gathered.records
    mine = (records["method"] == pair[0]) & (records["layer"] == pair[1])
    mine &= records["target_class"].isin(categories) & ~np.isnan(boxes).any(axis=1)
    rows = np.flatnonzero(mine)
    chosen = records.iloc[rows]
    return [
        {
            "image_id": numbers[file_name], "category_id": categories[name],
            "bbox": _xywh(box), "score": float(score),
        }
        for file_name, name, box, score in zip(
            chosen["file_name"], chosen["target_class"], boxes[rows].tolist(),
            chosen["target_probability"], strict=True,
        )
    ]  # fmt: skip


def evaluate(reference: dict[str, Any], found: Sequence[dict[str, Any]]) -> dict[int, Detected]:
    """COCOeval's figures of each category, by its number; classes without boxes to find are NaN.

    Class by class over the images that hold it or in which it was found: the others change nothing,
    and a thousand classes in a hundred thousand images would take hours.
    """
    n_boxes = Counter(item["category_id"] for item in found)
    n_references = Counter(a["category_id"] for a in reference["annotations"] if not a["iscrowd"])
    figures = {
        c["id"]: NOTHING._replace(n_boxes=n_boxes[c["id"]], n_references=n_references[c["id"]])
        for c in reference["categories"]
    }
    if not found:
        return figures
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        known = COCO()
        known.dataset = reference
        known.createIndex()
        boxes = known.loadRes([dict(item) for item in found])
        return {
            category: _of_class(known, boxes, category, counted)
            if counted.n_references
            else counted
            for category, counted in figures.items()
        }


def over_classes(figures: Sequence[Detected]) -> Detected:
    """COCO's own figures: the mean over the classes that have boxes to find."""
    seen = [f for f in figures if f.n_references]
    counts = sum(f.n_boxes for f in figures), sum(f.n_references for f in figures)
    if not seen or np.isnan(seen[0].ap):
        return NOTHING._replace(n_boxes=counts[0], n_references=counts[1])
    means = np.array([f[:4] for f in seen]).mean(axis=0).tolist()
    return Detected(*means, *counts)


def write_lines(path: Path, value: dict[str, Any] | list[Any]) -> None:
    """JSON with each entry of a list on a line of its own."""
    if isinstance(value, list):
        return write_text(path, _lines(value) + "\n")
    parts = [f"{json.dumps(k)}: {_lines(v)}" for k, v in value.items()]
    return write_text(path, "{" + ",\n".join(parts) + "}\n")


def _lines(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "[\n" + ",\n".join(map(_lines, value)) + "\n]" if value else "[]"


def _of_class(known: COCO, found: COCO, category: int, counted: Detected) -> Detected:
    run = COCOeval(known, found, "bbox")
    run.params.imgIds = sorted({*known.catToImgs[category], *found.catToImgs[category]})
    run.params.catIds = [category]
    run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]
    run.params.maxDets = run.params.maxDets[-1:]
    run.evaluate()
    run.accumulate()
    precision, recall = (run.eval[name][:, ..., 0, 0, 0] for name in ("precision", "recall"))
    return counted._replace(
        ap=float(precision.mean()),
        ap_50=float(precision[AP_50].mean()),
        ap_75=float(precision[AP_75].mean()),
        ar=float(recall.mean()),
    )


def _numbers(names: Sequence[str] | pd.Series) -> dict[str, int]:
    return {name: number for number, name in enumerate(names, 1)}


def _xywh(box: Sequence[float]) -> list[float]:
    x0, y0, x1, y1 = map(float, box)
    return [x0, y0, x1 - x0, y1 - y0]
