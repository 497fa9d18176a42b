"""Annotations, one target a format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from audit.annotations import FORMATS, AnnotationSource
from tests.annotations import writers

from .target import target

SHARED = ("audit.annotations._collect", "audit.annotations._images", "audit.annotations._text")
XML = (
    b"<object>", b"</object>", b"<bndbox>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<![CDATA[",
    b"<?xml version='1.0' encoding='utf-16'?>", b"<annotation>", b"</annotation>", b"<name/>",
)  # fmt: skip
YAML = (
    b"names: ",
    b"- ",
    b"&a ",
    b"*a",
    b"!!python/object:os.system ",
    b"nc: 1\n",
    b"<<: *a\n",
    b"? ",
    b"|\n",
)
PARTS = b"\n=====\n"  # between the files of one input


def _images(folder: Path) -> Path:
    """Names are matched with files, which are not opened."""
    for name in ("b/two.png", "a.one.jpg"):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder / "images"


def _read(format_name: str, annotations: Path, folder: Path, **more) -> None:
    images = folder / "images" if (folder / "images").is_dir() else _images(folder)
    FORMATS.get(format_name).parse(AnnotationSource(annotations, images, **more))


def _written(format_name: str, suffix: str) -> list[bytes]:
    """What the contract tests' writers make of one data set."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        images = writers.write_images(Path(folder) / "images", writers.SCENES)
        source = writers.WRITERS[format_name](Path(folder), images, writers.SCENES)
        base = source.annotations
        files = sorted(base.rglob(f"*{suffix}")) if base.is_dir() else [base]
        names = source.names.read_bytes() if source.names else b""
        return [f.read_bytes() + (PARTS + names if names else b"") for f in files]


@target("coco", lambda: _written("coco", ".json"), "audit.annotations.coco", *SHARED, kind="json")
def coco(data: bytes, folder: Path) -> None:
    (folder / "a.json").write_bytes(data)
    _read("coco", folder / "a.json", folder)


@target("voc", lambda: _written("voc", ".xml"), "audit.annotations._xml", *SHARED, tokens=XML)
def voc(data: bytes, folder: Path) -> None:
    (folder / "a.xml").write_bytes(data)
    _read("voc", folder / "a.xml", folder)


@target("yolo", lambda: [
    b"0 .5 .5 .25 .25\n1 0.1 0.1 0.2 0.2 0.9\n" + PARTS + b"names: [cat, dog]\nnc: 2\n",
    b"0 .1 .1 .2 .2 .3 .3\n" + PARTS + b"names: {0: cat}\ntrain: x\n",
], "audit.annotations.yolo", *SHARED, tokens=YAML)  # fmt: skip
def yolo(data: bytes, folder: Path) -> None:
    labels, _, names = data.partition(PARTS)
    (folder / "labels").mkdir()
    (folder / "labels/a.one.txt").write_bytes(labels)
    (folder / "labels/train.txt").write_bytes(labels)
    (folder / "data.yaml").write_bytes(names)
    _read("yolo", folder / "labels", folder, names=folder / "data.yaml")


@target("openimages", lambda: [
    b"ImageID,Source,LabelName,XMin,XMax,YMin,YMax,IsGroupOf,IsInside\n"
    b"a.one,x,/m/01,0.1,0.5,.2,.7,0,-1\ntwo,x,/m/02,\"0,1\",0.5,.2,.7,1,0\n"
    + PARTS + b"LabelName,DisplayName\n/m/01,Cat\n/m/02,Dog\n",
], "audit.annotations.openimages", *SHARED)  # fmt: skip
def openimages(data: bytes, folder: Path) -> None:
    rows, _, names = data.partition(PARTS)
    (folder / "a.csv").write_bytes(rows)
    (folder / "names.csv").write_bytes(names)
    _read("openimages", folder / "a.csv", folder, names=folder / "names.csv")


@target("imagenet_xml", lambda: [
    writers.voc_xml(replace(scene, objects=(("n01440764", 1, 2, 30, 40),)), "a.one").encode()
    + PARTS + b"n01440764 tench, Tinca tinca\nn01443537 goldfish\n"
    for scene in writers.SCENES
], "audit.annotations.imagenet", "audit.annotations._xml", *SHARED, tokens=XML)  # fmt: skip
def imagenet_xml(data: bytes, folder: Path) -> None:
    text, _, names = data.partition(PARTS)
    (folder / "n01440764").mkdir()
    (folder / "n01440764/a.xml").write_bytes(text)
    (folder / "names.txt").write_bytes(names)
    _read("imagenet", folder / "n01440764", folder, names=folder / "names.txt")


@target("imagenet_csv", lambda: [
    b"ImageId,PredictionString\na.one,n01440764 1 2 30 40 n01440764 5 6 7 8 \ntwo,\n"
], "audit.annotations.imagenet", *SHARED)  # fmt: skip
def imagenet_csv(data: bytes, folder: Path) -> None:
    (folder / "a.csv").write_bytes(data)
    _read("imagenet", folder / "a.csv", folder)


@target("csv", lambda: [
    b"file_name,class,xmin,ymin,xmax,ymax,difficult,image_width,image_height\n"
    b'a.one.jpg,cat,1,2,30,40,0,256,256\nb/two.png,"d,og",1.5,2,3e1,40,1,,\nb/two.png,,,,,,,,\n'
], "audit.annotations.plain_csv", *SHARED)  # fmt: skip
def plain_csv(data: bytes, folder: Path) -> None:
    """The options, too, come from the input."""
    text, _, options = data.partition(PARTS)
    (folder / "a.csv").write_bytes(text)
    _read(
        "csv", folder / "a.csv", folder, options=json.loads(options) if options[:1] == b"{" else {}
    )
