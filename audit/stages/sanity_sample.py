"""The records on which a method's fitness is tried, and their images ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import pandas as pd

from audit.config.model import Config
from audit.progress import Progress
from audit.stages.layout import Layout
from audit.stages.loading import INDEX_COLUMNS, Loaded, image_key, load_ahead
from audit.stages.runtime import thread_count
from audit.tables.parquet import iterate_rows, read_table

COLUMNS = ["file_name", "target_class", "reference", "correct"]


@dataclass(frozen=True)
class Sampled:
    """One image of the sample, and the outputs of the class that is explained in it."""

    loaded: Loaded
    target_class: str
    outputs: tuple[int, ...]

    @property
    def file_name(self) -> str:
        return self.loaded.row["file_name"]


def choose_sample(records: pd.DataFrame, count: int, seed: int) -> list[tuple[str, str]]:
    """(file name, class) of at most ``count`` records: annotated, predicted right, an image once.

    Classes take turns, so that any beginning of the list is spread over them too. ``records`` has
    :data:`COLUMNS`, with a row for each method or with one; its order does not matter.
    """
    right = (records["reference"] == "class") & records["correct"].fillna(False).astype(bool)
    pairs = records.loc[right, COLUMNS[:2]].drop_duplicates()
    queues = [
        sorted(names, key=lambda name: (image_key(name, seed), name))
        for _, names in pairs.groupby("target_class")["file_name"]
    ]
    classes = sorted(pairs["target_class"].unique())
    chosen: dict[str, str] = {}
    for turn in zip_longest(*queues):
        for name, kind in zip(turn, classes, strict=True):
            if name is not None:
                chosen.setdefault(name, kind)
    return list(chosen.items())[:count]


def explained_records(layout: Layout, shards: Sequence[str]) -> pd.DataFrame:
    """What the explain stage noted of every record: :data:`COLUMNS`."""
    return pd.concat(
        [read_table(layout.explained(s), COLUMNS).to_pandas() for s in shards], ignore_index=True
    )


def load_sample(
    config: Config,
    layout: Layout,
    shards: Sequence[str],
    chosen: Sequence[tuple[str, str]],
    classes: dict[str, Sequence[int]],
    probe: Any,
    progress: Progress,
) -> list[Sampled]:
    """The chosen records in their order, with pixels; an image that cannot be read now is told."""
    wanted = dict(chosen)
    rows = {
        row["file_name"]: row
        for shard in shards
        for row in iterate_rows(layout.index(shard), INDEX_COLUMNS)
        if row["file_name"] in wanted
    }
    with ThreadPoolExecutor(max_workers=thread_count(config)) as pool:
        images = load_ahead(
            pool, (rows[n] for n in wanted), config, probe.facts, ahead=4 * probe.batch
        )
        sample = []
        for item, kind in zip(images, wanted.values(), strict=True):
            if item.fault is None:
                sample.append(Sampled(item, kind, tuple(classes[kind])))
            else:
                progress.say(f"{item.row['file_name']} is left out: {item.fault}")
    return sample
