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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from audit.stages.gather import CORNERS, Gathered
from audit.tables.atomic import atomic_path

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
SIDES = ["x", "y", "width", "height"]
AT_ONCE = 10_000
"""Entries of a file that are in memory at once."""


@dataclass(frozen=True)
class Truth:
    """The reference boxes; images and classes are numbered from 1 in their order."""

    images: pd.DataFrame
    """file_name, width, height."""
    classes: Sequence[str]
    boxes: pd.DataFrame
    """image_id, category_id, :data:`SIDES` in pixels, iscrowd."""

    def lines(self) -> dict[str, Any]:
        """COCO's form, for :func:`write_lines`."""
        return {
            "info": {"description": "reference boxes of the audited classes"},
            "images": (
                {"id": number, **image} for number, image in enumerate(_entries(self.images), 1)
            ),
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.classes, 1)],
            "annotations": (
                {"id": number, **_annotation(box)}
                for number, box in enumerate(_entries(self.boxes), 1)
            ),
        }


def truth(gathered: Gathered, classes: Sequence[str]) -> Truth:
    """Every box of a mapped class in the images that the model saw."""
    images, numbers = _images(gathered)
    objects = gathered.objects
    image_ids = numbers.get_indexer(objects["file_name"]) + 1
    category_ids = pd.Index(classes).get_indexer(objects["class_name"]) + 1
    known = (image_ids > 0) & (category_ids > 0)
    objects = objects[known].assign(
        image_id=image_ids[known], category_id=category_ids[known], iscrowd=objects["ignored"] * 1
    )
    objects = objects.sort_values(["file_name", "class_name", *CORNERS], kind="stable")
    columns = ["image_id", "category_id", *SIDES, "iscrowd"]
    return Truth(images, classes, _with_sides(objects, objects[[*CORNERS]].to_numpy())[columns])


def detections(gathered: Gathered, pair: tuple[str, str], classes: Sequence[str]) -> pd.DataFrame:
    """The heatmap boxes of one method and layer: image_id, category_id, :data:`SIDES`, score."""
    columns = ["image_id", "category_id", *SIDES, "score"]
    boxes = gathered.arrays.sweeps.get("heatmap_box")
    if boxes is None:
        return pd.DataFrame(columns=columns)
    records = gathered.records
    category_ids = pd.Index(classes).get_indexer(records["target_class"]) + 1
    mine = (records["method"] == pair[0]) & (records["layer"] == pair[1])
    mine &= (category_ids > 0) & ~np.isnan(boxes).any(axis=1)
    rows = np.flatnonzero(mine)
    chosen = records.iloc[rows][["file_name", "target_probability"]]
    found = chosen.assign(
        image_id=_images(gathered)[1].get_indexer(chosen["file_name"]) + 1,
        category_id=category_ids[rows],
        score=chosen["target_probability"],
    )
    return _with_sides(found, boxes[rows])[columns]


def results(found: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """COCO results, for :func:`write_lines`."""
    return map(_annotation, _entries(found))


def evaluate(reference: Truth, found: pd.DataFrame) -> dict[int, Detected]:
    """COCOeval's figures of each category, by its number; classes without boxes to find are NaN.

    Class by class over the images that hold it or in which it was found: the others change nothing,
    and a thousand classes in a hundred thousand images would take hours, and all memory.
    """
    boxes = reference.boxes
    own, given = (frame.groupby("category_id").indices for frame in (boxes, found))
    none = np.empty(0, np.int64)
    figures = {}
    for category in range(1, len(reference.classes) + 1):
        known = boxes.iloc[own.get(category, none)]
        detected = found.iloc[given.get(category, none)]
        counted = NOTHING._replace(
            n_boxes=len(detected), n_references=int((known["iscrowd"] == 0).sum())
        )
        to_find = len(found) and counted.n_references
        figures[category] = _of_class(known, detected, counted) if to_find else counted
    return figures


def over_classes(figures: Sequence[Detected]) -> Detected:
    """COCO's own figures: the mean over the classes that have boxes to find."""
    seen = [f for f in figures if f.n_references]
    counts = sum(f.n_boxes for f in figures), sum(f.n_references for f in figures)
    if not seen or np.isnan(seen[0].ap):
        return NOTHING._replace(n_boxes=counts[0], n_references=counts[1])
    means = np.array([f[:4] for f in seen]).mean(axis=0).tolist()
    return Detected(*means, *counts)


def write_lines(path: Path, value: Mapping[str, Any] | Iterable[Any]) -> None:
    """JSON with each entry of a list, or of what is made one by one, on a line of its own."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        if isinstance(value, Mapping):
            before = "{"
            for key, item in value.items():
                file.write(f"{before}{json.dumps(key)}: ")
                file.writelines(_lines(item))
                before = ",\n"
            file.write("}\n")
        else:
            file.writelines(_lines(value))
            file.write("\n")


def _lines(value: Any) -> Iterator[str]:
    if not isinstance(value, list | Iterator):
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)
        return
    before = "[\n"
    for item in value:
        yield before
        yield from _lines(item)
        before = ",\n"
    yield "[]" if before == "[\n" else "\n]"


def _of_class(known: pd.DataFrame, detected: pd.DataFrame, counted: Detected) -> Detected:
    """COCOeval on the boxes of one category."""
    category = int(known["category_id"].iloc[0])
    images = sorted({*known["image_id"], *detected["image_id"]})
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        reference = COCO()
        reference.dataset = {
            "info": {}, "images": [{"id": number} for number in images],
            "categories": [{"id": category}],
            "annotations": [{"id": k, **_annotation(b)} for k, b in enumerate(_entries(known), 1)],
        }  # fmt: skip
        reference.createIndex()
        # Of an empty list it cannot tell of what kind the results are.
        given = reference.loadRes([*results(detected)]) if len(detected) else _nothing()
        run = COCOeval(reference, given, "bbox")
        run.params.imgIds, run.params.catIds = images, [category]
        run.params.areaRng = run.params.areaRng[:1]
        run.params.areaRngLbl = run.params.areaRngLbl[:1]
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


def _nothing() -> COCO:
    empty = COCO()
    empty.dataset = {"images": [], "annotations": []}
    empty.createIndex()
    return empty


def _images(gathered: Gathered) -> tuple[pd.DataFrame, pd.Index]:
    """The images that the model saw, and their names; an image's number is its place and one."""
    images = gathered.images
    images = images.loc[images["fault"].isna(), ["file_name", "width", "height"]]
    return images, pd.Index(images["file_name"])


def _with_sides(frame: pd.DataFrame, corners: np.ndarray) -> pd.DataFrame:
    """The frame with its boxes (n, 4), given as xyxy, by corner and sides."""
    x0, y0, x1, y1 = np.asarray(corners, np.float64).reshape(-1, 4).T
    return frame.assign(x=x0, y=y0, width=x1 - x0, height=y1 - y0)


def _entries(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows with Python's own numbers, some of them in memory at a time."""
    for start in range(0, len(frame), AT_ONCE):
        part = frame.iloc[start : start + AT_ONCE]
        for row in zip(*(part[name].tolist() for name in part), strict=True):
            yield dict(zip(part.columns, row, strict=True))


def _annotation(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its box as COCO has it."""
    box = [entry.pop(name) for name in SIDES]
    if "score" in entry:
        score = entry.pop("score")
        return {**entry, "bbox": box, "score": score}
    crowd = entry.pop("iscrowd")
    return {**entry, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
