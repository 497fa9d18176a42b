"""Writers of one small data set in every format: the other half of the contract tests.

A writer takes a folder, images and objects, and returns the source to read. Sides are powers of
two, so that relative coordinates are exact.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image

from audit.annotations import AnnotationSource


@dataclass(frozen=True)
class Scene:
    """An image to be written: canonical (class, x0, y0, x1, y1) in half-open pixels."""

    file_name: str
    width: int
    height: int
    objects: tuple[tuple[str, float, float, float, float], ...] = ()

    def relative(self) -> list[tuple[str, float, float, float, float]]:
        w, h = self.width, self.height
        return [(c, x0 / w, y0 / h, x1 / w, y1 / h) for c, x0, y0, x1, y1 in self.objects]


SCENES = (
    Scene("b/two.png", 128, 64, (("dog", 0, 0, 128, 64), ("cat", 3, 5, 17, 33))),
    Scene("a.one.jpg", 256, 256, (("cat", 10.5, 20, 30, 40.25), ("été 猫", 1, 1, 3, 2.5))),
)


def classes(scenes: tuple[Scene, ...]) -> list[str]:
    return sorted({name for scene in scenes for name, *_ in scene.objects})


def write_images(root: Path, scenes: tuple[Scene, ...]) -> Path:
    for scene in scenes:
        path = root / scene.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (scene.width, scene.height)).save(path)
    return root


def voc_xml(scene: Scene, file_name: str) -> str:
    objects = "".join(
        f"<object><name>{escape(name)}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, x0, y0, x1, y1 in scene.objects
    )
    return (
        f"<annotation><filename>{escape(file_name)}</filename><size><width>{scene.width}</width>"
        f"<height>{scene.height}</height></size>{objects}</annotation>"
    )


def write_voc(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    for scene in scenes:
        path = (root / "annots" / scene.file_name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(voc_xml(scene, Path(scene.file_name).name), encoding="utf-8")
    return AnnotationSource(root / "annots", images)


def write_imagenet(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    for scene in scenes:
        path = (root / "annots" / scene.file_name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(voc_xml(scene, Path(scene.file_name).stem), encoding="utf-8")
    return AnnotationSource(root / "annots", images)


def coco_document(scenes: tuple[Scene, ...]) -> dict:
    ids = {name: 7 + 3 * i for i, name in enumerate(classes(scenes))}  # need not be dense
    annotations = [
        {"image_id": i, "category_id": ids[name], "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": 0}
        for i, scene in enumerate(scenes)
        for name, x0, y0, x1, y1 in scene.objects
    ]
    return {
        "images": [
            {"id": i, "file_name": s.file_name, "width": s.width, "height": s.height}
            for i, s in enumerate(scenes)
        ],
        "annotations": [{"id": i + 1, **record} for i, record in enumerate(annotations)],
        "categories": [{"id": key, "name": name} for name, key in ids.items()],
    }


def write_coco(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    path = root / "instances.json"
    path.write_text(json.dumps(coco_document(scenes)), encoding="utf-8")
    return AnnotationSource(path, images)


def write_yolo(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    names = classes(scenes)
    for scene in scenes:
        path = (root / "labels" / scene.file_name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{names.index(c)} {(x0 + x1) / 2!r} {(y0 + y1) / 2!r} {x1 - x0!r} {y1 - y0!r}\n"
            for c, x0, y0, x1, y1 in scene.relative()
        ]
        path.write_text("".join(lines))
    (root / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return AnnotationSource(root / "labels", images)


def write_rows(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


SIDES = ["XMin", "XMax", "YMin", "YMax"]
MARKS = ["IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"]
OPENIMAGES_HEADER = ["ImageID", "Source", "LabelName", "Confidence", *SIDES, *MARKS]


def write_openimages(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    rows = [
        [scene.file_name, "xclick", name, 1, x0, x1, y0, y1, 0, 0, 0, 0, 0]
        for scene in scenes
        for name, x0, y0, x1, y1 in scene.relative()
    ]
    return AnnotationSource(write_rows(root / "boxes.csv", OPENIMAGES_HEADER, rows), images)


CSV_HEADER = ["file_name", "class", "xmin", "ymin", "xmax", "ymax"]


def write_csv(root: Path, images: Path, scenes: tuple[Scene, ...]) -> AnnotationSource:
    rows = [[scene.file_name, *obj] for scene in scenes for obj in scene.objects]
    return AnnotationSource(write_rows(root / "boxes.csv", CSV_HEADER, rows), images)


Writer = Callable[[Path, Path, tuple[Scene, ...]], AnnotationSource]
WRITERS: dict[str, Writer] = {
    "coco": write_coco,
    "csv": write_csv,
    "imagenet": write_imagenet,
    "openimages": write_openimages,
    "voc": write_voc,
    "yolo": write_yolo,
}
