"""Explained records beside the images that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Any

from audit.stages.layout import Layout
from audit.stages.score import KEYS
from audit.tables.parquet import iterate_rows

# Of a record: what a picture of it takes.
COLUMNS = (*KEYS, "reference", "grid_height", "grid_width", "heatmap", "heatmap_scale")


def records_with_images(
    layout: Layout, shards: Sequence[str], keys: Set[tuple[str, ...]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(record, its image's row of the index) of the records with these :data:`KEYS`.

    Shard by shard, in the order of each; a shard without any of the images is not read further.
    """
    names = {key[0] for key in keys}
    for shard in shards:
        images = {
            row["file_name"]: row
            for row in iterate_rows(layout.index(shard))
            if row["file_name"] in names
        }
        for record in iterate_rows(layout.explained(shard), COLUMNS) if images else ():
            if tuple(record[name] for name in KEYS) in keys:
                yield record, images[record["file_name"]]
