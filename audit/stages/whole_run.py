"""How far a whole audit is, read off the results folder: it holds on a cluster, too, where the jobs'
own words stay on other machines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.stages.layout import Layout
from audit.stages.snakemake_lines import Steps

# Files that say that a shard is done.
EXPLAINED, SCORED = ".records.parquet", ".parquet"
SHARD_STAGES = ("explain", "score")


@dataclass(frozen=True)
class Standing:
    """What is done of the whole audit, by this run and by earlier ones."""

    images: int
    explained: int
    """Images, those of shards under way too."""
    shards: int
    shards_explained: int
    shards_scored: int
    known: bool
    """False as long as it is open which files of an earlier run still hold."""
    running: tuple[Mapping[str, Any], ...]
    """What each stage that is at work says of itself: stage, shard, done, total, what."""

    @property
    def complete(self) -> bool:
        return self.shards_explained == self.shards_scored == self.shards

    @property
    def of_shards(self) -> bool:
        """Whether a shard is being worked on."""
        return any(one["stage"] in SHARD_STAGES for one in self.running)


class WholeRun:
    """Looks at one audit's results folder."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._manifest: tuple[int, dict[str, int]] = (0, {})
        self._earlier = self._files(self._shards())

    def look(self, steps: Steps) -> Standing:
        """How far the audit is now.

        A file of an earlier run says nothing where its job is still to be done: what Snakemake
        counts beyond the files that are missing or new are old files that are stale. Which ones it
        does not say; the mean size of a shard stands for theirs.
        """
        shards = self._shards()
        running = tuple(self._running())
        explained, scored = self._files(shards.keys())
        stale = _stale(explained, self._earlier[0], len(shards), steps.due("explain", len(shards)))
        images = sum(shards[name] for name in explained)
        if stale:
            images = round(images * (1 - stale / len(explained)))
        images += sum(
            one["done"]
            for one in running
            if one["stage"] == "explain" and one["shard"] in shards.keys() - explained.keys()
        )
        old_scores = _stale(scored, self._earlier[1], len(shards), steps.due("score", len(shards)))
        return Standing(
            sum(shards.values()),
            images,
            len(shards),
            len(explained) - stale,
            len(scored) - old_scores,
            not (self._earlier[0] and steps.undecided),
            running,
        )

    def _files(self, shards: Collection[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Shards that are explained and scored -> when."""
        stages = self._layout.stages
        return _times(stages / "explain", EXPLAINED, shards), _times(
            stages / "score", SCORED, shards
        )

    def _shards(self) -> dict[str, int]:
        """Shard -> images; empty before there is an index."""
        with suppress(OSError, ValueError, KeyError):
            when = self._layout.manifest.stat().st_mtime_ns
            if when != self._manifest[0]:
                listed = json.loads(self._layout.manifest.read_text("utf-8"))["shards"]
                self._manifest = when, {s["name"]: s["images"] for s in listed}
            return self._manifest[1]
        return {}

    def _running(self) -> Iterator[Mapping[str, Any]]:
        for path in sorted(self._layout.progress.glob("[a-z]*.json")):
            with suppress(OSError, ValueError):  # gone, or half there on a slow disk
                yield json.loads(path.read_text("utf-8"))


def _stale(
    there: Mapping[str, int], earlier: Mapping[str, int], shards: int, due: int | None
) -> int:
    """Files of an earlier run that will be made again; none where it is not known."""
    if due is None:
        return 0
    old = sum(earlier.get(name) == when for name, when in there.items())
    new, missing = len(there) - old, shards - len(there)
    return min(old, max(0, due - new - missing))


def _times(folder: Path, ending: str, wanted: Collection[str]) -> dict[str, int]:
    """Name without its ending -> time of change in ns."""
    times = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.removesuffix(ending)
            if name in wanted and entry.name.endswith(ending):
                with suppress(OSError):
                    times[name] = entry.stat().st_mtime_ns
    return times
