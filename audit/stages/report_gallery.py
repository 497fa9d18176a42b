"""Which records the report shows, and their pictures: the worst first, a random sample beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from audit.digest import digest_bytes
from audit.images import UnreadableImage, decode, read_file
from audit.report.overlay import draw_panels
from audit.stages.loading import header_of, image_key
from audit.stages.score import KEYS

# Longest side of one of a picture's two panels, pixels: in the page, about 10 KB a picture, and in the
# folder of the larger gallery.
SIDE, LARGE = 200, 360
QUALITY = 62
# At most of each sort, a class, in the page.
PER_CLASS = 12
KINDS = ("worst", "sample")
# What a record is an instance of, in the words of the filter.
TYPES = {
    "background_focused": "looks at the background",
    "off_object": "maximum off the object",
    "on_object": "maximum on the object",
    "wrong": "wrong prediction",
    "not_judged": "left out of the verdict",
}


def choose(
    records: pd.DataFrame, classes: Sequence[str], count: int, seed: int, most: int = PER_CLASS
) -> list[dict[str, Any]]:
    """Rows of ``records`` to show, with ``kind``, ``key`` and ``types``.

    ``records``: scored records of one method and layer; ``classes``: the most urgent first. As many
    of each class, up to ``count`` in all and ``most`` of each sort: where that does not reach for two
    of each, the last classes have none. A larger ``count`` adds records and takes none away.
    """
    each = min(max(count // (2 * max(len(classes), 1)), 2), most)
    shown: list[dict[str, Any]] = []
    for name in classes:
        if len(shown) >= count:
            break
        mine = records[records["target_class"] == name]
        worst = _worst(mine).head(each)
        drawn = _drawn(mine.drop(worst.index), seed).head(each)
        for kind, rows in zip(KINDS, (worst, drawn), strict=True):
            shown += [_about(row, kind) for row in rows.to_dict("records")]
    return shown[:count]


def _worst(records: pd.DataFrame) -> pd.DataFrame:
    """Those that count against the class first, then by how little of the map is on the object."""
    order = records.assign(focused=records["background_focused"].fillna(False).astype(bool))
    return order.sort_values(
        ["eligible", "focused", "energy_skill", *KEYS],
        ascending=[False, False, True, *[True] * len(KEYS)],
        kind="stable",
    )


def _drawn(records: pd.DataFrame, seed: int) -> pd.DataFrame:
    order = np.argsort([image_key(name, seed) for name in records["file_name"]], kind="stable")
    return records.iloc[order]


def _about(row: dict[str, Any], kind: str) -> dict[str, Any]:
    row = {name: None if pd.isna(value) else value for name, value in row.items()}
    return {**row, "kind": kind, "key": key_of(row), "types": types_of(row)}


def key_of(record: Mapping[str, Any]) -> str:
    """The record's address in the page; the same in every run."""
    name = "\0".join(str(record[key]) for key in KEYS)
    return digest_bytes(name.encode(errors="surrogateescape"))[:12]


def types_of(record: Mapping[str, Any]) -> list[str]:
    """Keys of :data:`TYPES` that a record has."""
    hit = record["pointing_hit"]
    told = {
        "background_focused": record["background_focused"] is True,
        "off_object": not pd.isna(hit) and not hit,
        "on_object": not pd.isna(hit) and bool(hit),
        "wrong": record["correct"] is False,
        "not_judged": not record["eligible"],
    }
    return [name for name in TYPES if told[name]]


def draw(
    row: Mapping[str, Any],
    image: Mapping[str, Any],
    heatmap: np.ndarray,
    frame: Any,
    boxes: tuple[np.ndarray, np.ndarray],
) -> list[bytes] | str:
    """WebP of the photograph and the heatmap side by side, in each of ``row["sides"]``; or why there
    is none."""
    try:
        pixels = decode(read_file(Path(image["path"])), header_of(image))
    except UnreadableImage as error:
        return f"not drawn: {error}"
    hit = None if pd.isna(row["pointing_hit"]) else bool(row["pointing_hit"])
    point = (row["point_x"], row["point_y"])
    panels = [draw_panels(pixels, heatmap, frame, *boxes, point, hit, s) for s in row["sides"]]
    return [_webp(np.concatenate([np.asarray(part) for part in both], axis=1)) for both in panels]


def _webp(sheet: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()
