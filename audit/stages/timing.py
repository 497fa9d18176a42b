"""What each shard's explain stage noted of itself: its seconds, its device, its batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audit.config.model import Config
from audit.stages.layout import Layout
from audit.stages.runtime import with_batch
from audit.tables.json_file import read_json


def timings(layout: Layout, shards: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The notes of the shards that left any."""
    for shard in shards:
        path = layout.timing(shard)
        if path.is_file():
            yield read_json(path)


def noted(layout: Layout, manifest: dict[str, Any], what: str) -> list[Any]:
    """The values that the shards noted, each once, sorted."""
    shards = (s["name"] for s in manifest["shards"])
    return sorted({told[what] for told in timings(layout, shards) if what in told})


def as_explained(config: Config, layout: Layout, manifest: dict[str, Any]) -> Config:
    """The config with the batches that fitted into memory when the images were explained."""
    return with_batch(config, min([*noted(layout, manifest, "batch_size"), config.run.batch_size]))


def batch_warnings(config: Config, layout: Layout, manifest: dict[str, Any]) -> list[str]:
    """One sentence where memory ran out; none else."""
    asked, fewest = config.run.batch_size, as_explained(config, layout, manifest).run.batch_size
    if fewest == asked:
        return []
    return [
        f"Memory ran out with {asked} images at once, and some were explained in batches of "
        f"{fewest}: results agree with those of another run to rounding, not to the byte."
    ]
