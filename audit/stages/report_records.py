"""One pass over the stored heatmaps: mean maps of each class, and the pictures that are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.heatmaps import decode as decode_heatmap
from audit.progress import Progress
from audit.stages.layout import Layout
from audit.stages.loading import image_key
from audit.stages.record_images import records_with_images
from audit.stages.report_gallery import draw
from audit.stages.report_maps import RECORDS, ClassMaps
from audit.stages.runtime import thread_count
from audit.stages.score import KEYS, placing_of, reference_boxes

# Pictures that are drawn at a time; each holds a photograph in memory.
AT_ONCE = 16


class RecordPass:
    """Maps and pictures of some records of one method and layer.

    ``records``: the scored ones, with :data:`KEYS`; ``shown``: those of which pictures are drawn, each
    gets ``images`` (WebP, one of each of its ``sides``) or ``note``.
    """

    def __init__(self, config: Config, layout: Layout, found: Mapping[str, Any]) -> None:
        self._config = config
        self._layout = layout
        self._placing = placing_of(config, dict(found))
        self.maps: dict[str, ClassMaps] = defaultdict(ClassMaps)

    def run(
        self,
        records: pd.DataFrame,
        shown: Sequence[dict[str, Any]],
        shards: Sequence[str],
        progress: Progress,
    ) -> None:
        """Read the shards once; the same numbers whatever the shards are."""
        averaged = _averaged(records, self._config.audit.seed)
        pictures = {tuple(row[key] for key in KEYS): row for row in shown}
        wanted = averaged | set(pictures)
        progress.start(len(wanted), "records read")
        jobs: list[tuple[Any, ...]] = []
        with ThreadPoolExecutor(thread_count(self._config)) as pool:
            for record, image in records_with_images(self._layout, shards, wanted):
                key = tuple(record[name] for name in KEYS)
                values, frame = self._map(record, image)
                boxes = reference_boxes(record, image["objects"])
                if key in averaged:
                    self.maps[record["target_class"]].add(values, frame, boxes[0])
                if key in pictures:
                    jobs.append((pictures[key], image, values, frame, boxes))
                if len(jobs) == AT_ONCE:
                    _draw_all(pool, jobs)
                    jobs.clear()
                progress.step()
            _draw_all(pool, jobs)
        progress.finish()

    def _map(self, record: Mapping[str, Any], image: Mapping[str, Any]) -> tuple[np.ndarray, Any]:
        grid = (record["grid_height"], record["grid_width"])
        values = decode_heatmap(record["heatmap"], record["heatmap_scale"], grid)
        return values, self._placing.frame(image["width"], image["height"])


def _averaged(records: pd.DataFrame, seed: int) -> set[tuple[str, ...]]:
    """Up to :data:`~audit.stages.report_maps.RECORDS` of each class, drawn by the seed."""
    key = np.array([image_key(name, seed) for name in records["file_name"]], dtype=np.uint64)
    drawn = records.iloc[np.argsort(key, kind="stable")].groupby("target_class").head(RECORDS)
    return set(drawn[list(KEYS)].itertuples(index=False, name=None))


def _draw_all(pool: ThreadPoolExecutor, jobs: Sequence[tuple[Any, ...]]) -> None:
    for (row, *_), made in zip(jobs, pool.map(lambda job: draw(*job), jobs), strict=True):
        row["images"], row["note"] = ([], made) if isinstance(made, str) else (made, "")
