"""The demo's data set on disk: JPEG pictures and COCO annotations, the same bytes for a seed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from audit.demo.scenes import CLASSES, SIZE, Rendered, Scene, draw_scene, render
from audit.errors import AuditError, nearest

SHORTCUT = "furrows"
"""The background texture that gives the planted class away."""
JPEG_QUALITY = 95
# Sets the draw for the shortcut apart from the streams that a scene uses.
_CARRIES = 99


@dataclass(frozen=True, slots=True)
class Split:
    """One part of the data set and where it lies in the demo's folder."""

    name: str
    number: int
    """Part of each picture's seed."""
    images: str
    annotations: str
    per_class: int


TRAIN = Split("train", 0, "train", "train.json", 400)
TEST = Split("test", 1, "images", "annotations.json", 65)


def scenes(
    split: Split, seed: int, plant: str | None = None, strength: float = 1.0
) -> Iterator[tuple[str, Scene]]:
    """File names and scenes of a split, the classes in turn.

    Parameters
    ----------
    seed: of the data set; each picture has a stream of its own, so order and number do not matter.
    plant: class whose pictures carry the shortcut; None for clean data.
    strength: chance, in [0, 1], that a picture of that class carries it.
    """
    check_plant(plant, strength)
    for number in range(split.per_class * len(CLASSES)):
        name = CLASSES[number % len(CLASSES)]
        key = (seed, split.number, number)
        # The draw is made for every picture, so that strength moves nothing but the shortcut.
        chance = float(np.random.default_rng([*key, _CARRIES]).random())
        shortcut = SHORTCUT if name == plant and chance < strength else None
        yield f"{name}_{number // len(CLASSES):04d}.jpg", draw_scene(key, name, shortcut)


def check_plant(plant: str | None, strength: float) -> None:
    """Raise an :class:`AuditError` for an unknown class or a strength outside [0, 1]."""
    if plant is not None and plant not in CLASSES:
        raise AuditError("no such demo class", received=plant, hint=nearest(plant, CLASSES))
    if not 0 <= strength <= 1:
        raise AuditError("bad strength", expected="a number from 0 to 1", received=strength)


def write_split(
    folder: Path,
    split: Split,
    seed: int,
    plant: str | None = None,
    strength: float = 1.0,
    say: Callable[[str], None] = print,
) -> None:
    """Render a split into ``folder``; its annotations are written last, when all pictures are."""
    drawn = list(scenes(split, seed, plant, strength))
    images = folder / split.images
    images.mkdir(parents=True, exist_ok=True)

    def one(item: tuple[str, Scene]) -> Rendered:
        rendered = render(item[1])
        write_atomically(images / item[0], jpeg(rendered.image))
        return rendered

    truths = []
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for number, rendered in enumerate(pool.map(one, drawn), start=1):
            truths.append(rendered)
            if number % 1000 == 0 or number == len(drawn):
                say(f"  {split.name}: {number} of {len(drawn)} pictures")
    document = coco([name for name, _ in drawn], [scene for _, scene in drawn], truths)
    write_atomically(folder / split.annotations, (json.dumps(document, indent=1) + "\n").encode())


def read_split(folder: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, SIZE, SIZE, 3) uint8 RGB and labels (n,) int64, indices into CLASSES."""
    document = json.loads((folder / split.annotations).read_text())
    files = {entry["id"]: entry["file_name"] for entry in document["images"]}
    boxes = document["annotations"]
    images = [np.asarray(Image.open(folder / split.images / files[b["image_id"]])) for b in boxes]
    return np.stack(images), np.array([b["category_id"] - 1 for b in boxes], np.int64)


def coco(names: list[str], drawn: list[Scene], truths: list[Rendered]) -> dict:
    """A COCO document with one object an image; a box is [left, top, width, height], pixels."""
    return {
        "info": {"description": "Focus Audit demo: sculptures in landscapes"},
        "images": [
            {"id": i, "file_name": name, "width": SIZE, "height": SIZE}
            for i, name in enumerate(names, start=1)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": CLASSES.index(scene.class_name) + 1,
                "bbox": [truth.box.x0, truth.box.y0, truth.box.width, truth.box.height],
                "area": int(truth.mask.sum()),
                "iscrowd": 0,
            }
            for i, (scene, truth) in enumerate(zip(drawn, truths, strict=True), start=1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
    }


def jpeg(image: np.ndarray) -> bytes:
    """A (H, W, 3) uint8 RGB picture as JPEG bytes with full colour resolution."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
