"""``export --to fiftyone``: images, boxes and heatmap boxes as a COCO data set that FiftyOne imports.

``labels.json`` has the reference boxes, ``predictions.json`` the heatmaps' boxes as COCO results with
scores; both say of each box what the audit says of its record. Boxes are COCO's (x, y, width,
height) on the pixels of the upright original.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from audit.digest import digest_file
from audit.errors import AuditError
from audit.models.labels import OVERALL
from audit.stages.coco_boxes import write_lines
from audit.stages.figures import json_value
from audit.stages.gate import Results
from audit.stages.layout import Layout
from audit.tables.atomic import atomic_path
from audit.tables.parquet import iterate_rows

Images = Literal["copy", "link", "none"]
# File name and class.
Record = tuple[str, str]
DATA = "data"
LABELS, PREDICTIONS = "labels.json", "predictions.json"
# What each box is told of its record.
TOLD = ("background_focused", "energy_skill", "eligible", "status")


def export_fiftyone(root: Path, out: Path, images: Images = "none") -> dict[str, int]:
    """Write the data set into ``out``; counts of what it holds.

    Raises
    ------
    AuditError: a table is missing or was changed since the run; ``out`` is not empty; an image is
    not the one that was audited.
    """
    results = Results.read(root)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AuditError("is there, and not an empty folder", where=str(out), hint="name another")
    truth = json.loads(results.table("heatmap_boxes_gt.json").read_text(encoding="utf-8"))
    found = json.loads(results.table("heatmap_boxes.json").read_text(encoding="utf-8"))
    told, by_image = _told(results), defaultdict(dict)
    for (file_name, name), values in told.items():
        by_image[file_name][name] = values
    files = {image["id"]: image["file_name"] for image in truth["images"]}
    classes = {category["id"]: category["name"] for category in truth["categories"]}

    def box(entry: Mapping[str, Any]) -> dict[str, Any]:
        key = files[entry["image_id"]], classes[entry["category_id"]]
        return {**entry, **told.get(key, {})}

    names = {number: safe_name(number, name) for number, name in files.items()}
    if images != "none":
        _place(results, {files[number]: out / DATA / names[number] for number in files}, images)
    labels = {
        **truth,
        "images": [
            _image(image, names[image["id"]], by_image[image["file_name"]])
            for image in truth["images"]
        ],
        "annotations": [box(entry) for entry in truth["annotations"]],
    }
    write_lines(out / LABELS, labels)
    write_lines(out / PREDICTIONS, [box(entry) for entry in found])
    return {"images": len(files), "boxes": len(truth["annotations"]), "heatmap boxes": len(found)}


def safe_name(number: int, file_name: str) -> str:
    """An image's path below ``data``: its own where that stays inside, else its number."""
    path = PurePosixPath(file_name)
    inside = not path.is_absolute() and ".." not in path.parts and path.as_posix() == file_name
    plain = file_name.isprintable() and "\\" not in file_name and path.name
    return file_name if inside and plain else f"{number:09d}{path.suffix[:10]}"


def _image(
    image: dict[str, Any], name: str, records: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """An image's entry, with what is said of its records, by class."""
    focused = [v["background_focused"] for v in records.values()]
    known = [value for value in focused if value is not None]
    return {
        **image,
        "file_name": name,
        "source": image["file_name"],
        "attributes": {"background_focused": any(known) if known else None, "records": records},
    }


def _told(results: Results) -> dict[Record, dict[str, Any]]:
    """(file name, class) -> what the first method says of the record, and the class's verdict."""
    pair = results.pair(None, None)
    verdicts = {
        row["class"]: {key: row[key] or None for key in ("verdict", "confirmation")}
        for row in results.report(pair).classes
        if row["class"] != OVERALL
    }
    columns = ["file_name", "target_class", "method", "layer", *TOLD]
    return {
        (row["file_name"], row["target_class"]): {key: json_value(row[key]) for key in TOLD}
        | verdicts.get(row["target_class"], {})
        for row in iterate_rows(results.table("predictions.parquet"), columns)
        if (row["method"], row["layer"]) == pair
    }


def _place(results: Results, places: Mapping[str, Path], how: Images) -> None:
    """Copy or link the audited images."""
    for row in _indexed(results):
        place = places.get(row["file_name"])
        if place is None:
            continue
        source = Path(row["path"])
        if not source.is_file() or digest_file(source) != row["sha256"]:
            raise AuditError(
                "is not the image that was audited", where=row["path"],
                hint="--images none writes the labels alone",
            )  # fmt: skip
        with atomic_path(place) as temporary:
            if how == "copy":
                shutil.copyfile(source, temporary)
            else:
                temporary.unlink()
                temporary.symlink_to(source.resolve())


def _indexed(results: Results) -> Iterator[dict[str, Any]]:
    for shard in results.provenance["shards"]:
        path = Layout(results.root).index(shard["name"])
        if not path.is_file():
            raise AuditError(
                "is missing: it says where the images lie", where=str(path),
                hint="--images none writes the labels alone",
            )  # fmt: skip
        yield from iterate_rows(path, ["file_name", "path", "sha256"])
