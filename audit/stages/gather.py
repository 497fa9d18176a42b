"""All shards as tables in memory: records with their scores, images, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.config.model import Config
from audit.errors import AuditError
from audit.images.duplicates import near_duplicate_groups
from audit.stages.columns import Columns
from audit.stages.eligibility import is_baseline
from audit.stages.judged_grid import on_grid
from audit.stages.layout import Layout
from audit.stages.score import KEYS
from audit.tables.parquet import iterate_batches, read_schema, read_table

NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int32(): pd.Int32Dtype()}
SWEEPS = ("mask_iou_sweep", "box_iou_sweep")
# Further columns of lists that are of one length in all scored records.
LISTS = (
    *SWEEPS, "box_iou_wsol_sweep", "heatmap_box_sweep", "heatmap_box", "levels_inside", "levels_outside",
)  # fmt: skip
# Columns of a shard's two tables -> fields of a MapGroup.
EXPLAINED = {"heatmap": "relative", "heatmap_scale": "scales"}
SCORED = {"weights_inside": "weights_inside", "weights_view": "weights_view"}
CORNERS = ("x0", "y0", "x1", "y1")
OBJECT_COLUMNS = ("class_name", "ignored", *CORNERS)
INDEX_COLUMNS = ["image_id", "file_name", "where", "sha256", "width", "height", "objects"]
# What is not read as one table.
HEAVY = ("heatmap", *SCORED, "view", "boxes", *LISTS)


@dataclass(frozen=True)
class MapGroup:
    """The maps of one method at one layer, scored records alone, as small as they are stored."""

    grid: tuple[int, int]
    judged_grid: tuple[int, int]
    """That on which the method is judged, no finer than ``grid``; weights are those of its cells."""
    relative: np.ndarray
    """float16 (k, cells of ``grid``): each map over its maximum."""
    scales: np.ndarray
    """float32 (k,): the maxima."""
    weights_inside: np.ndarray
    """float32 (k, cells): what a cell weighs in the record's boxes."""
    weights_view: np.ndarray
    """float32 (k, cells): what a cell weighs in the record's view."""

    def judged(self, places: np.ndarray) -> np.ndarray:
        """float32 (n, cells of ``judged_grid``): the maps at these places, as they are judged."""
        maps = self.heatmaps(places).reshape(len(places), *self.grid)
        return on_grid(maps, self.judged_grid).reshape(len(places), self.weights_inside.shape[1])

    def heatmaps(self, places: np.ndarray) -> np.ndarray:
        """float32 (n, cells): the maps at these places, as :func:`audit.heatmaps.decode` gives them."""
        return self.relative[places].astype(np.float32) * self.scales[places, None]


@dataclass(frozen=True)
class Boxes:
    """Boxes of n records in one array: a million small ones would take ten times the memory."""

    corners: np.ndarray
    """float64 (m, 4) xyxy, record by record."""
    starts: np.ndarray
    """int64 (n + 1,): where each record's begin, and where the last one's end."""

    @classmethod
    def taken(cls, corners: np.ndarray, counts: np.ndarray, order: np.ndarray) -> Boxes:
        """Of records in this ``order``; ``corners`` and ``counts`` are as they were stored."""
        ends = np.cumsum(counts)
        counts, ends = counts[order], ends[order]
        starts = np.concatenate([[0], np.cumsum(counts)])
        # The k-th box of a record lies as far from its first one as before.
        rows = np.arange(starts[-1]) + np.repeat(ends - starts[1:], counts)
        return cls(corners[rows], starts)

    def of(self, record: int) -> np.ndarray:
        """float64 (k, 4): one record's."""
        return self.corners[self.starts[record] : self.starts[record + 1]]

    def largest_areas(self) -> np.ndarray:
        """float64 (n,): square pixels of each record's largest box; NaN for none."""
        sides = self.corners[:, 2:] - self.corners[:, :2]
        areas = np.full(len(self.starts) - 1, np.nan)
        owners = np.repeat(np.arange(len(areas)), np.diff(self.starts))
        np.fmax.at(areas, owners, sides.prod(axis=1))
        return areas


@dataclass(frozen=True)
class Arrays:
    """What a record has beside its scalars; all are in the records' order."""

    maps: dict[tuple[str, str], MapGroup]
    """(method, layer) -> maps; grids differ between them."""
    places: np.ndarray
    """int64 (n,): where a record's map is in its group; -1 for an unscored one."""
    views: np.ndarray
    """float64 (n, 4) xyxy."""
    boxes: Boxes
    """The reference boxes of each record."""
    sweeps: dict[str, np.ndarray]
    """Name -> (n, items) of the lists' own float type, NaN where it was not taken. Columns of metrics
    that were not chosen are not there."""


@dataclass(frozen=True)
class Gathered:
    """What the shards hold, sorted by :data:`~audit.stages.score.KEYS`: nothing depends on the shards.

    ``records``: one row a record, scalars only. ``arrays``: the rest of them, in the same order.
    ``images``: one row an image of the index, with what the model said of it.
    ``objects``: one row an annotated object of those images.
    """

    records: pd.DataFrame
    arrays: Arrays
    images: pd.DataFrame
    objects: pd.DataFrame

    @cached_property
    def columns(self) -> Columns:
        """The records' columns, of which rows are taken."""
        return Columns(self.records)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each (method, layer) that records are of, sorted."""
        return method_layers(self.records)


def method_layers(records: pd.DataFrame) -> list[tuple[str, str]]:
    """Each (method, layer) of a table of records, sorted."""
    pairs = records[["method", "layer"]].drop_duplicates()
    return sorted(pairs.itertuples(index=False, name=None))


def configured_order(
    pairs: Sequence[tuple[str, str]], config: Config, found: dict[str, Any]
) -> list[tuple[str, str]]:
    """(method, layer) pairs as the config lists them, baselines after all others.

    The first of them speaks for the audit where one has to.
    """
    methods = config.explain.methods()
    layers = [layer["path"] for layer in found["facts"].get("layers", ())]

    def place(pair: tuple[str, str]) -> tuple:
        method, layer = pair
        known = [n.index(x) if x in n else len(n) for n, x in ((methods, method), (layers, layer))]
        return (is_baseline(method), *known, pair)

    return sorted(pairs, key=place)


def gather(layout: Layout, shards: list[str], lists: Sequence[str] = LISTS) -> Gathered:
    """Read all shards; of the columns of lists only ``lists``.

    Raises
    ------
    AuditError: a shard's tables do not belong together.
    """
    frame, order = _records(layout, shards)
    arrays = _arrays(layout, shards, frame, order, lists)
    images, objects = _images(layout, shards), _objects(layout, shards)
    told = ["image_id", "predicted_class", "predicted_score", "group"]
    place = pd.Index(images["file_name"]).get_indexer(frame["file_name"])
    frame = frame.assign(**{name: images[name].take(place).array for name in told})
    # Arrow keeps what it read for the next reading, and there is none.
    pa.default_memory_pool().release_unused()
    return Gathered(frame, arrays, images, objects)


def _records(layout: Layout, shards: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The records, sorted, and the place of each in the shards laid end to end."""
    records = pa.concat_tables(_shard_records(layout, s) for s in shards)
    order = pc.sort_indices(records, [(key, "ascending") for key in KEYS])
    frame = _frame(records.take(order))
    again = frame[frame.duplicated(list(KEYS))]
    if len(again):
        raise AuditError(
            "is explained twice", where=" ".join(again.iloc[0][list(KEYS)]),
            hint="delete stages/explain and run again",
        )  # fmt: skip
    return frame, order.to_numpy().astype(np.int64)


def _shard_records(layout: Layout, shard: str) -> pa.Table:
    """Scalars of records beside their scores; both tables are in the same order."""
    explained = read_table(layout.explained(shard), _light(layout.explained(shard)))
    scores = read_table(layout.scores(shard), _light(layout.scores(shard)))
    for key in KEYS:
        if key not in scores.column_names or explained[key] != scores[key]:
            raise AuditError(
                "its records are not those of the explained shard", where=str(layout.scores(shard)),
                hint="delete it and run again",
            )  # fmt: skip
        scores = scores.drop([key])
    for name in scores.column_names:
        explained = explained.append_column(name, scores[name])
    return explained


def _light(path: Path) -> list[str]:
    """Names of the columns that are read as one table."""
    return [name for name in read_schema(path).names if name not in HEAVY]


def _images(layout: Layout, shards: Sequence[str]) -> pd.DataFrame:
    columns = [name for name in INDEX_COLUMNS if name != "objects"]
    index = pa.concat_tables(read_table(layout.index(s), columns) for s in shards)
    seen = pa.concat_tables(read_table(layout.seen(s)) for s in shards)
    images = _frame(index).sort_values("file_name", ignore_index=True)
    images = images.merge(
        _frame(seen.drop(["fingerprint"])), on="file_name", how="left", validate="one_to_one"
    )
    if images["n_targets"].isna().sum() != images["fault"].notna().sum():
        raise AuditError(
            "an image of the index was not explained", hint="run the explain stage again"
        )
    place = pd.Index(seen["file_name"].to_pandas()).get_indexer(images["file_name"])
    prints = [p or b"" for p in seen["fingerprint"].take(pa.array(place)).to_pylist()]
    images["group"] = near_duplicate_groups(prints, images["sha256"].to_numpy(object))
    return images


def _objects(layout: Layout, shards: Sequence[str]) -> pd.DataFrame:
    """One row an object: file_name, where, class_name, ignored and its corners."""
    tables = []
    for shard in shards:
        index = read_table(layout.index(shard), ["file_name", "where", "objects"]).combine_chunks()
        lists = index["objects"].combine_chunks()
        of_image = pc.list_parent_indices(lists)
        flat = pc.list_flatten(lists)
        columns = {name: index[name].take(of_image) for name in ("file_name", "where")}
        columns |= {name: pc.struct_field(flat, name) for name in OBJECT_COLUMNS}
        tables.append(pa.table(columns))
    return pa.concat_tables(tables).to_pandas()


# -- arrays: some rows of a shard at a time, into places that are made once


def _arrays(
    layout: Layout,
    shards: Sequence[str],
    records: pd.DataFrame,
    order: np.ndarray,
    lists: Sequence[str],
) -> Arrays:
    """``order``: for each of the sorted records, its place in the shards laid end to end."""
    scores = [layout.scores(s) for s in shards]
    corners, counts = _lists(scores, "boxes")
    maps, places = _maps(layout, shards, records, order)
    return Arrays(
        maps=maps,
        places=places,
        views=_lists(scores, "view")[0].reshape(-1, 4)[order],
        boxes=Boxes.taken(corners.reshape(-1, 4), counts // 4, order),
        sweeps={name: _sweep(scores, name)[order] for name in lists if _has(scores[0], name)},
    )


def _maps(
    layout: Layout, shards: Sequence[str], records: pd.DataFrame, order: np.ndarray
) -> tuple[dict[tuple[str, str], MapGroup], np.ndarray]:
    """The groups of maps, and each record's place in its own."""
    numbers = {key: number for number, key in enumerate(method_layers(records))}
    group_of = np.array([numbers[k] for k in zip(records["method"], records["layer"], strict=True)])
    group_of[(records["status"] != "scored").to_numpy()] = -1
    places = np.full(len(records), -1)
    groups = []
    for key, number in numbers.items():
        mine = group_of == number
        places[mine] = np.arange(mine.sum())
        grids = _grid(records, *key, "grid"), _grid(records, *key, "judged")
        groups.append(_empty(*grids, int(mine.sum())))
    # From here on in the order of the shards.
    group_of, places_there = _back(group_of, order), _back(places, order)
    for file, fields in ((layout.explained, EXPLAINED), (layout.scores, SCORED)):
        start = 0
        for batch in _batches([file(s) for s in shards], list(fields)):
            rows = slice(start, start + batch.num_rows)
            start = rows.stop
            for number, group in enumerate(groups):
                mine = group_of[rows] == number
                if mine.any():
                    _put(group, places_there[rows][mine], batch.filter(pa.array(mine)), fields)
    return dict(zip(numbers, groups, strict=True)), places


def _put(
    group: MapGroup, places: np.ndarray, batch: pa.RecordBatch, fields: Mapping[str, str]
) -> None:
    """Set the group's maps at these places from the batch's columns."""
    for column, field in fields.items():
        into = getattr(group, field)
        into[places] = _numbers(batch[column]).reshape(-1, *into.shape[1:])


def _batches(paths: Sequence[Path], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of several files, some at a time: these columns are most of what a run has on disk."""
    for path in paths:
        yield from iterate_batches(path, columns)


def _grid(records: pd.DataFrame, method: str, layer: str, name: str) -> tuple[int, int]:
    mine = records[(records["method"] == method) & (records["layer"] == layer)]
    grids = mine[[f"{name}_height", f"{name}_width"]].drop_duplicates()
    if len(grids) > 1:
        raise AuditError(
            "its maps have several grids", where=f"{method} at {layer}",
            hint="delete stages/explain and run again",
        )  # fmt: skip
    return int(grids.iat[0, 0]), int(grids.iat[0, 1])


def _empty(grid: tuple[int, int], judged_grid: tuple[int, int], count: int) -> MapGroup:
    shape = (count, judged_grid[0] * judged_grid[1])
    return MapGroup(
        grid,
        judged_grid,
        np.empty((count, grid[0] * grid[1]), np.float16),
        np.empty(count, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
    )


def _numbers(column: pa.Array) -> np.ndarray:
    """All numbers of a column without nulls: numbers, lists of them, or bytes of float16."""
    if pa.types.is_binary(column.type):
        return np.frombuffer(b"".join(column.to_pylist()), "<f2")
    if pa.types.is_list(column.type):
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False)


def _lists(paths: Sequence[Path], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a column of lists over all shards, end to end, and how many each list has."""
    values, counts = [], [np.empty(0, np.int64)]
    for batch in _batches(paths, [name]):
        values.append(_numbers(batch[name]))
        counts.append(pc.fill_null(pc.list_value_length(batch[name]), 0).to_numpy())
    return np.concatenate(values or [np.empty(0)]), np.concatenate(counts)


def _sweep(paths: Sequence[Path], name: str) -> np.ndarray:
    """float (n, items), NaN where there is no list."""
    values, counts = _lists(paths, name)
    width = int(counts.max(initial=0))
    out = np.full((len(counts), width), np.nan, values.dtype)
    out[counts > 0] = values.reshape(-1, width) if width else np.nan
    return out


def _has(path: Path, name: str) -> bool:
    return name in read_schema(path).names


def _back(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """``values`` of sorted records in the order of the shards."""
    out = np.empty_like(values)
    out[order] = values
    return out


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=NULLABLE.get)


def exclusions(layout: Layout) -> list[dict[str, Any]]:
    """What the index left out."""
    return read_table(layout.index_excluded).to_pylist()
