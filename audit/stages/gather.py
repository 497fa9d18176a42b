"""All shards as tables in memory: records with their scores, images, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from audit.errors import AuditError
from audit.heatmaps import decode
from audit.images.duplicates import near_duplicate_groups
from audit.stages.layout import Layout
from audit.tables.parquet import read_table

NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int32(): pd.Int32Dtype()}
HEAVY = ("heatmap", "heatmap_scale", "weights_inside", "weights_view", "view", "boxes")
SWEEPS = ("mask_iou_sweep", "box_iou_sweep")


@dataclass(frozen=True)
class Gathered:
    """What the shards hold, sorted by file name and target class: nothing depends on the shards.

    ``records``: one row a record, scalars only. ``arrays``: per record, in the same order.
    ``images``: one row an image of the index, with what the model said of it.
    ``objects``: one row an annotated object of those images.
    """

    records: pd.DataFrame
    arrays: dict[str, np.ndarray | list]
    images: pd.DataFrame
    objects: pd.DataFrame


def gather(layout: Layout, shards: list[str]) -> Gathered:
    """Read all shards.

    Raises
    ------
    AuditError: a shard's tables do not belong together.
    """
    index = pa.concat_tables(
        read_table(layout.index(s), ["image_id", "file_name", "where", "sha256", "objects"])
        for s in shards
    )
    seen = pa.concat_tables(read_table(layout.seen(s)) for s in shards)
    records = pa.concat_tables(_shard_records(layout, s) for s in shards)
    order = np.lexsort(
        [
            np.asarray(records[k].to_pylist(), object)
            for k in ("method", "target_class", "file_name")
        ]
    )
    records = records.take(pa.array(order))
    images = _images(index, seen)
    scalars = [n for n in records.column_names if n not in HEAVY and n not in SWEEPS]
    frame = _frame(records.select(scalars))
    frame = frame.merge(
        images[["file_name", "image_id", "predicted_class", "predicted_score", "group"]],
        on="file_name", how="left", validate="many_to_one",
    )  # fmt: skip
    return Gathered(frame, _arrays(records), images, _objects(index))


def _shard_records(layout: Layout, shard: str) -> pa.Table:
    """Records beside their scores; both tables are in the same order."""
    explained = read_table(layout.explained(shard))
    scores = read_table(layout.scores(shard))
    for key in ("file_name", "target_class"):
        if explained[key] != scores[key]:
            raise AuditError(
                "its records are not those of the explained shard", where=str(layout.scores(shard)),
                hint="delete it and run again",
            )  # fmt: skip
        scores = scores.drop([key])
    for name in scores.column_names:
        explained = explained.append_column(name, scores[name])
    return explained


def _images(index: pa.Table, seen: pa.Table) -> pd.DataFrame:
    images = _frame(index.drop(["objects"])).sort_values("file_name", ignore_index=True)
    seen_frame = _frame(seen)
    images = images.merge(seen_frame, on="file_name", how="left", validate="one_to_one")
    if images["n_targets"].isna().sum() != images["fault"].notna().sum():
        raise AuditError(
            "an image of the index was not explained", hint="run the explain stage again"
        )
    prints = [p if isinstance(p, bytes) else b"" for p in images["fingerprint"]]
    images["group"] = near_duplicate_groups(prints, list(images["sha256"]))
    return images.drop(columns="fingerprint")


def _objects(index: pa.Table) -> pd.DataFrame:
    """One row an object: file_name, class_name, ignored."""
    counts = [len(o) for o in index["objects"].to_pylist()]
    flat = pa.concat_arrays([c.flatten() for c in index["objects"].chunks])
    names = np.repeat(np.asarray(index["file_name"].to_pylist(), object), counts)
    where = np.repeat(np.asarray(index["where"].to_pylist(), object), counts)
    return pd.DataFrame(
        {
            "file_name": names,
            "where": where,
            "class_name": flat.field("class_name").to_pylist() if len(flat) else [],
            "ignored": np.array(flat.field("ignored").to_pylist(), bool) if len(flat) else [],
        }
    )


def _arrays(records: pa.Table) -> dict[str, np.ndarray | list]:
    """Heatmaps and weights as float32 (n, cells); NaN rows where a record has none."""
    shapes = list(
        zip(records["grid_height"].to_pylist(), records["grid_width"].to_pylist(), strict=True)
    )
    cells = max((h * w for h, w in shapes), default=0)
    maps = np.full((len(shapes), cells), np.nan, np.float32)
    data, scales = records["heatmap"], records["heatmap_scale"].to_numpy()
    for row, shape in enumerate(shapes):
        maps[row] = decode(data[row].as_py(), scales[row], shape).ravel()
    return {
        "heatmaps": maps,
        "weights_inside": _padded(records["weights_inside"], cells),
        "weights_view": _padded(records["weights_view"], cells),
        "view": np.array(records["view"].to_pylist(), np.float64).reshape(-1, 4),
        "boxes": [np.array(b, np.float64).reshape(-1, 4) for b in records["boxes"].to_pylist()],
        **{name: records[name].to_pylist() for name in SWEEPS if name in records.column_names},
    }


def _padded(column: pa.ChunkedArray, cells: int) -> np.ndarray:
    out = np.full((len(column), cells), np.nan, np.float32)
    for row, values in enumerate(column):
        if values.is_valid:
            out[row] = values.values.to_numpy(zero_copy_only=False)
    return out


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=NULLABLE.get)


def exclusions(layout: Layout) -> list[dict[str, Any]]:
    """What the index left out."""
    return read_table(layout.index_excluded).to_pylist()
