"""A user's own images as the model sees them, with and without a planted background texture.

Everything is in the model's input frame: uint8 pixels after resizing, boxes moved with them. The
texture covers what lies outside every box, so that what it does to the model is the background's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from audit.config.model import Config
from audit.errors import AuditError
from audit.geometry.frames import box_to_input, frame_of
from audit.progress import Progress
from audit.prove.textures import TEXTURES
from audit.records import Box
from audit.stages.loading import header_of, image_key, image_placement, load_ahead
from audit.stages.runtime import thread_count

FAMILY = "bricks"
PATTERN = 64
"""Side of the texture before it is stretched over the input, pixels."""
RELIEF = 0.42
"""Share of a pixel's own brightness that the texture adds or takes."""
PER_CLASS = 120
"""Images of a class that are used, drawn at random: one half to refit on, one to audit."""
# Fewer audited images would always be `insufficient`, and a refit on fewer says little.
MIN_PER_CLASS = 60


@dataclass(frozen=True, slots=True)
class OwnImage:
    """One image in the model's input frame."""

    name: str
    label: int
    pixels: np.ndarray
    """(H, W, C) uint8."""
    boxes: tuple[Box, ...]
    """Of its class, pixels of the input, clipped to it."""
    key: int
    """Seed of what is random about it."""


@dataclass(frozen=True)
class OwnData:
    """The images that a shortcut can be planted into."""

    names: tuple[str, ...]
    """Classes that take part."""
    fit: list[OwnImage]
    audited: list[OwnImage]
    available: dict[str, int] = field(default_factory=dict)
    """Class -> its images in the data that could be used, of which these are a sample."""
    left_out: Counter = field(default_factory=Counter)
    """Reason -> images."""


def own_data(
    config: Config, probe: Any, rows: Sequence[dict], classes: Sequence[str], progress: Progress
) -> OwnData:
    """Choose, read and resize the images, and halve each class.

    Parameters
    ----------
    rows: of the index (:data:`audit.stages.index.INDEX_SCHEMA`).
    classes: names that map to an output.

    Raises
    ------
    AuditError: fewer than two classes have enough images.
    """
    left_out: Counter = Counter()
    chosen: dict[str, list[dict]] = {name: [] for name in classes}
    for row in rows:
        name, reason = _class_of(row, chosen)
        if reason:
            left_out[reason] += 1
        else:
            chosen[name].append(row)
    names = tuple(name for name in classes if len(chosen[name]) >= MIN_PER_CLASS)
    if len(names) < 2:
        raise AuditError(
            "too few images to plant a shortcut into", where="dataset",
            expected=f"two classes with at least {MIN_PER_CLASS} images that show them alone",
            received=", ".join(f"{n}: {len(r)}" for n, r in chosen.items()),
        )  # fmt: skip
    left_out["too_few_of_the_class"] += sum(len(chosen[n]) for n in classes if n not in names)
    halves: tuple[list[OwnImage], list[OwnImage]] = ([], [])
    for label, name in enumerate(names):
        order = sorted(chosen[name], key=lambda r: image_key(r["file_name"], config.audit.seed))
        left_out["more_than_are_used"] += len(order[PER_CLASS:])
        found = _read(config, probe, order[:PER_CLASS], label, left_out)
        progress.say(f"{name}: {len(found)} images")
        for half, part in zip(halves, (found[::2], found[1::2]), strict=True):
            half += part
    available = {name: len(chosen[name]) for name in names}
    return OwnData(names, *halves, available, left_out)


def _class_of(row: dict, chosen: dict[str, list]) -> tuple[str, str | None]:
    """The one class of an image, or the reason why it has none that can be used."""
    present = {o["class_name"] for o in row["objects"]}
    known = present & set(chosen)
    if len(present) != 1 or not known:
        return "", "several_classes" if known else "no_class_of_the_audit"
    if any(o["ignored"] for o in row["objects"]):
        return "", "ignored_objects"
    return known.pop(), None


def _read(
    config: Config, probe: Any, rows: Sequence[dict], label: int, left_out: Counter
) -> list[OwnImage]:
    found = []
    with ThreadPoolExecutor(thread_count(config)) as pool:
        for loaded in load_ahead(pool, rows, config, probe.facts, ahead=32):
            if loaded.fault is not None:
                left_out[loaded.fault.reason] += 1
                continue
            boxes = _boxes(loaded.row, config, probe)
            if not boxes:
                left_out["box_outside_view"] += 1
                continue
            name = loaded.row["file_name"]
            key = image_key(name, config.audit.seed)
            found.append(OwnImage(name, label, loaded.pixels, boxes, key))
    return found


def _boxes(row: dict, config: Config, probe: Any) -> tuple[Box, ...]:
    header = header_of(row)
    frame = frame_of(image_placement(header, config, probe.facts), header.width, header.height)
    moved = [box_to_input(frame, Box(*(o[c] for c in ("x0", "y0", "x1", "y1"))))
             for o in row["objects"]]  # fmt: skip
    inside = [
        Box(max(b.x0, 0.0), max(b.y0, 0.0), min(b.x1, frame.input_width),
            min(b.y1, frame.input_height))
        for b in moved
    ]  # fmt: skip
    return tuple(b for b in inside if b.x1 > b.x0 and b.y1 > b.y0)


def planted(image: OwnImage) -> np.ndarray:
    """The image's pixels with the texture on all that lies outside its boxes; uint8 (H, W, C)."""
    height, width = image.pixels.shape[:2]
    rng = np.random.default_rng(image.key)
    pattern = TEXTURES.get(FAMILY)(rng, PATTERN)
    pattern = cv2.resize(pattern, (width, height), interpolation=cv2.INTER_NEAREST)
    for box in image.boxes:
        rows = slice(int(box.y0), int(np.ceil(box.y1)))
        pattern[rows, int(box.x0) : int(np.ceil(box.x1))] = 0
    changed = image.pixels * (1 + np.float32(RELIEF) * pattern[:, :, None])
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
