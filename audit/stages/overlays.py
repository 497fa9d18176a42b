"""``overlays``: pictures of the worst flagged records and of a random sample of the others.

With several methods or layers the sample shows the same images by each of them, side by side in the
list. Baselines are never drawn: their maps show nothing of the model.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.heatmaps import decode as decode_heatmap
from audit.images import UnreadableImage, decode, read_file
from audit.progress import Progress
from audit.report.overlay import Caption, draw_overlay
from audit.stages.eligibility import of_baselines
from audit.stages.flagged import overlay_name, record_key
from audit.stages.gather import method_layers
from audit.stages.layout import Layout
from audit.stages.loading import header_of
from audit.stages.record_images import records_with_images
from audit.stages.score import KEYS, placing_of, reference_boxes
from audit.tables.atomic import write_bytes
from audit.tables.csv import read_texts, write_csv
from audit.tables.json_file import read_json
from audit.tables.parquet import read_table

JPEG_QUALITY = 88


def run_overlays(config: Config, layout: Layout, found: dict[str, Any], progress: Progress) -> None:
    """Draw them and list them in ``overlays/index.csv``."""
    predictions = read_table(layout.root / "predictions.parquet").to_pandas()
    chosen = choose(predictions, read_flagged(layout.root / "flagged.csv"), config)
    _remove_old(layout.overlays)
    progress.start(len(chosen), "overlays drawn")
    wanted = {tuple(row[key] for key in KEYS): row for row in chosen}
    shards = [s["name"] for s in read_json(layout.manifest)["shards"]]
    for record, image in records_with_images(layout, shards, wanted.keys()):
        row = wanted[tuple(record[key] for key in KEYS)]
        row["note"] = _draw(config, layout, found, record, image, row)
        progress.step()
    # A single layer is named in every other table.
    keys = KEYS if len(method_layers(predictions)) > 1 else KEYS[:-1]
    table = pd.DataFrame(chosen, columns=["overlay", "kind", *keys, "note"])
    write_csv(layout.overlays / "index.csv", table)
    progress.finish()


def read_flagged(path: Path) -> pd.DataFrame:
    """``flagged.csv`` as text: a class may be called NA, or 01. NaN where a record has no picture."""
    table = read_texts(path)
    return table.assign(overlay=table["overlay"].where(table["overlay"] != ""))


def choose(
    predictions: pd.DataFrame, flagged: pd.DataFrame, config: Config
) -> list[dict[str, Any]]:
    """Rows to draw: the flagged ones that have a path, then a seeded sample of other scored ones."""
    several = len(method_layers(predictions)) > 1
    pictures = flagged[flagged["overlay"].notna()]
    rows = [
        {"overlay": r["overlay"], "kind": "flagged", **{k: r[k] for k in KEYS}}
        for r in pictures.to_dict("records")
    ]
    sample = _sample(predictions, config.report.overlays_sample, config.audit.seed)
    for rank, record in enumerate(sample.to_dict("records")):
        path = overlay_name("sample", rank + 1, *record_key(record, several))
        rows.append({"overlay": path, "kind": "sample", **{k: record[k] for k in KEYS}})
    by_key = predictions.set_index(list(KEYS))
    return [{**by_key.loc[tuple(r[k] for k in KEYS)].to_dict(), **r} for r in rows]


def _sample(predictions: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Scored records that are not background-focused: of random targets, by every method each."""
    others = predictions[
        (predictions["status"] == "scored")
        & ~predictions["background_focused"].fillna(False).astype(bool)
        & ~of_baselines(predictions)
    ]
    target = others.groupby(list(KEYS[:2]), sort=False).ngroup()
    n_targets, each = target.nunique(), max(len(method_layers(others)), 1)
    wanted = min(-(-count // each), n_targets)
    drawn = np.random.default_rng(seed).choice(n_targets, wanted, replace=False)
    return others[target.isin(drawn)].head(count)


def _draw(
    config: Config,
    layout: Layout,
    found: dict[str, Any],
    record: dict[str, Any],
    image: dict[str, Any],
    row: dict[str, Any],
) -> str:
    """Draw one record; what went wrong, or nothing."""
    try:
        pixels = decode(read_file(Path(image["path"])), header_of(image))
    except UnreadableImage as error:
        return f"not drawn: {error}"
    boxes, ignored = reference_boxes(record, image["objects"])
    grid = (record["grid_height"], record["grid_width"])
    hit = None if pd.isna(row["pointing_hit"]) else bool(row["pointing_hit"])
    picture = draw_overlay(
        pixels,
        decode_heatmap(record["heatmap"], record["heatmap_scale"], grid),
        placing_of(config, found).frame(image["width"], image["height"]),
        boxes,
        ignored,
        (row["point_x"], row["point_y"]),
        hit,
        caption(row),
    )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    write_bytes(layout.root / row["overlay"], buffer.getvalue())
    return ""


def caption(row: dict[str, Any]) -> Caption:
    """What a person needs to understand the picture."""
    right = {True: "right", False: "wrong"}.get(row["correct"], "not known to be right or wrong")
    focused = row["background_focused"] is True or row["background_focused"] == 1
    where = "in a region that counts nowhere"
    if not pd.isna(row["pointing_hit"]):
        where = "on the object" if row["pointing_hit"] else "off the object"
    told = "background-focused: " if focused else ""
    skill = "" if pd.isna(row["energy_skill"]) else f", energy skill {row['energy_skill']:.2f}"
    return Caption(
        title=f"{row['target_class']}: what the model looks at, by {row['method']} at {row['layer']}",
        facts=f"{row['file_name']}   predicted {row['predicted_class']} "
        f"({row['predicted_score']:.2f}), {right}",
        verdict=f"{told}maximum {where}, {100 * row['energy_in_box']:.0f} % of the heatmap in the box "
        f"({100 * row['area_fraction']:.0f} % of the image){skill}",
        bad=bool(focused),
    )


def _remove_old(folder: Path) -> None:
    """Pictures of an earlier summary would show records under another rank."""
    for file in folder.glob("*.jpg"):
        file.unlink()
