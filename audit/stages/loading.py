"""Images from their files to the model's input, decoded ahead in threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from audit.config.model import Config
from audit.digest import digest_json
from audit.geometry import Placement, placement
from audit.images import ImageHeader, UnreadableImage, decode, fit, read_file, reduction
from audit.models.probe import ModelFacts
from audit.stages.ahead import in_order

# Columns of the index that an image's loading takes; the annotations' own details stay on disk.
INDEX_COLUMNS = [
    "file_name", "path", "format", "mode", "stored_width", "stored_height", "orientation", "objects",
]  # fmt: skip
FINGERPRINT_SIZE = 16
# Grey levels by which a neighbour has to be brighter.
FINGERPRINT_STEP = 3


@dataclass(frozen=True)
class Loaded:
    """An image ready for the model, or the reason why it is not."""

    row: dict[str, Any]
    pixels: np.ndarray | None
    fingerprint: bytes
    fault: UnreadableImage | None


def load_ahead(
    pool: Executor,
    rows: Iterable[dict[str, Any]],
    config: Config,
    facts: ModelFacts,
    ahead: int,
) -> Iterator[Loaded]:
    """Images in order; at most ``ahead`` of them are decoded, or being decoded, and not yet taken."""
    return in_order(pool, partial(load_image, config=config, facts=facts), rows, ahead)


def load_image(row: dict[str, Any], config: Config, facts: ModelFacts) -> Loaded:
    """Read, decode and resize one image; a fault of the file is kept, not raised."""
    header = header_of(row)
    try:
        pixels, small = model_input(read_file(Path(row["path"])), header, config, facts)
    except UnreadableImage as fault:
        return Loaded(row, None, b"", fault)
    return Loaded(row, small, fingerprint(pixels), None)


def model_input(
    data: bytes, header: ImageHeader, config: Config, facts: ModelFacts
) -> tuple[np.ndarray, np.ndarray]:
    """The whole image as it was decoded, and the model's input, both uint8.

    Raises
    ------
    UnreadableImage: see :func:`audit.images.decode`.
    """
    resize, placed = config.model.resize, image_placement(header, config, facts)
    times = reduction(header, placed) if resize.reduces() else 1
    pixels = decode(data, header, facts.channels, times)
    return pixels, fit(pixels, placed.reduced(times), resize.interpolation, resize.pad_value)


def header_of(row: dict[str, Any]) -> ImageHeader:
    """The header that the index noted of an image."""
    return ImageHeader(
        row["format"], row["mode"], row["stored_width"], row["stored_height"], row["orientation"]
    )


def image_placement(header: ImageHeader, config: Config, facts: ModelFacts) -> Placement:
    """Where the image goes in the model's input."""
    resize = config.model.resize
    return placement(
        header.width, header.height, facts.input_width, facts.input_height, resize.mode,
        resize.crop_fraction,
    )  # fmt: skip


def fingerprint(pixels: np.ndarray) -> bytes:
    """256 bits that near-duplicates share: which of two neighbours in a 17x16 grid is brighter.

    The difference hash of N. Krawetz (2013), on uint8 (H, W, C): the whole image, area-averaged,
    since the model's own input aliases and finds fewer of the copies. Differences that re-encoding
    makes by itself count as none.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    if min(height, width) >= 2 * FINGERPRINT_SIZE:  # halving first is three times as fast
        even = pixels[: 2 * height, : 2 * width]
        pixels = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[-1] == 3 else pixels
    fine = cv2.resize(
        grey, (2 * FINGERPRINT_SIZE + 2, 2 * FINGERPRINT_SIZE), interpolation=cv2.INTER_AREA
    )
    blocks = fine.reshape(FINGERPRINT_SIZE, 2, FINGERPRINT_SIZE + 1, 2)
    cells = blocks.astype(np.float32).mean(axis=(1, 3))
    return np.packbits(np.diff(cells, axis=1) > FINGERPRINT_STEP).tobytes()


def image_key(file_name: str, seed: int) -> int:
    """64 bits for what is random about an image: the same in any batch and shard."""
    return int(digest_json([seed, file_name])[:16], 16)
