"""``score``: one shard's heatmaps against the boxes; without model or pixels, so it takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from audit.config.heatmap import HeatmapSection, PercentileThreshold
from audit.config.model import Config
from audit.errors import AuditError
from audit.geometry import make_frame
from audit.heatmaps import Peak, Threshold, decode
from audit.metrics import (
    METRICS,
    Column,
    MetricSettings,
    SceneInputs,
    background_focused,
    columns_of,
    keep_freed_memory,
    score_record,
)
from audit.progress import Progress
from audit.records import Frame
from audit.stages.ahead import in_order, processes
from audit.stages.judged_grid import NATIVE_COLUMNS, JudgedGrid, judged_grid
from audit.stages.layout import Layout
from audit.tables.parquet import count_rows, iterate_rows, open_table

# What the verdicts are made of: taken whatever the config chooses.
REQUIRED_METRICS = ("area", "pointing_game", "energy_in_box")
# The threshold of ``heatmap.threshold`` that is chosen on the data.
CALIBRATED = "calibrated"
# Records that a process takes at once.
CHUNK = 128
# Below this a second process costs more than it saves.
MIN_PARALLEL = 1000

# What makes a record one, in the order in which all tables are sorted.
KEYS = ("file_name", "target_class", "method", "layer")
SCENE_COLUMNS = [
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("view", pa.list_(pa.float64())),
    ("boxes", pa.list_(pa.float64())),
    ("n_boxes", pa.int32()),
    ("n_ignored", pa.int32()),
    ("n_classes", pa.int32()),
    ("judged_height", pa.int32()),
    ("judged_width", pa.int32()),
    ("status", pa.string()),
    ("reason", pa.string()),
]
ARROW_TYPES = {
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "float32": pa.float32(),
    "str": pa.string(),
}


@dataclass(frozen=True)
class Placing:
    """What a frame is made of, beside the image's size."""

    input_width: int
    input_height: int
    mode: str
    crop_fraction: float

    def frame(self, width: int, height: int) -> Frame:
        return make_frame(
            width, height, self.input_width, self.input_height, self.mode, self.crop_fraction
        )


def run_score(
    config: Config, layout: Layout, found: dict[str, Any], shard: str, progress: Progress, jobs: int
) -> None:
    """Score one shard; ``found`` is the content of ``model.json``."""
    settings = metric_settings(config)
    judged = judged_grid(config, found, replace(settings, metrics=REQUIRED_METRICS))
    work = partial(
        score_chunk,
        settings=settings,
        judged=judged,
        placing=placing_of(config, found),
        mapped=frozenset(found["classes"]),
        min_energy_skill=config.flags.min_energy_skill,
    )
    total = count_rows(layout.explained(shard))
    progress.start(total, "records scored")
    with (
        _mapper(jobs if total >= MIN_PARALLEL else 1) as mapped,
        open_table(layout.scores(shard), score_schema(settings, judged)) as table,
    ):
        for rows in mapped(work, _chunks(_joined(layout, shard))):
            for row in rows:
                table.append(row)
            progress.step(len(rows))
    progress.finish()


def metric_settings(config: Config) -> MetricSettings:
    """The metrics' settings from the config."""
    names = METRICS.names() if config.metrics == "all" else config.metrics
    if names is not None:
        calibrated = ("mask_iou",) if config.heatmap.threshold == CALIBRATED else ()
        names = tuple(dict.fromkeys((*REQUIRED_METRICS, *calibrated, *names)))
    return MetricSettings(
        metrics=names,
        tolerance=config.flags.tolerance,
        threshold=threshold_of(config.heatmap),
        sweep=tuple(config.heatmap.sweep),
        top_k=config.heatmap.top_k,
    )


def threshold_of(section: HeatmapSection) -> Threshold:
    """The configured threshold as the heatmaps room takes it."""
    if isinstance(section.threshold, PercentileThreshold):
        return Threshold("percentile", section.threshold.percentile)
    if section.threshold == "otsu":
        return Threshold("otsu", 0.0)
    if section.threshold == CALIBRATED:  # chosen over all records: read off the sweep by ``judge``
        return Threshold()
    return Threshold("fraction", section.threshold)


def placing_of(config: Config, found: dict[str, Any]) -> Placing:
    """How images lie in the model's input, from the config and the model's facts."""
    facts, resize = found["facts"], config.model.resize
    return Placing(facts["input_width"], facts["input_height"], resize.mode, resize.crop_fraction)


def score_schema(settings: MetricSettings, judged: JudgedGrid | None) -> pa.Schema:
    """Columns of a shard's scores."""
    keys = [(name, pa.string()) for name in KEYS]
    metrics = [(c.name, _arrow_type(c)) for c in columns_of(settings)]
    native = [(f"native_{name}", kind) for name, kind in NATIVE_COLUMNS.items() if judged]
    return pa.schema([*keys, *SCENE_COLUMNS, *metrics, ("background_focused", pa.bool_()), *native])


def score_chunk(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]],
    settings: MetricSettings,
    judged: JudgedGrid | None,
    placing: Placing,
    mapped: frozenset[str],
    min_energy_skill: float,
) -> list[dict[str, Any]]:
    """Score (record, image) pairs; rows as in :func:`score_schema`."""
    cv2.setNumThreads(1)
    keep_freed_memory()
    return [_score(r, i, settings, judged, placing, mapped, min_energy_skill) for r, i in pairs]


def _score(
    record: dict[str, Any],
    image: dict[str, Any],
    settings: MetricSettings,
    judged: JudgedGrid | None,
    placing: Placing,
    mapped: frozenset[str],
    min_energy_skill: float,
) -> dict[str, Any]:
    boxes, ignored = reference_boxes(record, image["objects"])
    frame = placing.frame(image["width"], image["height"])
    grid = (record["grid_height"], record["grid_width"])
    peak = Peak(record["point_u"], record["point_v"], record["tied"], record["map_kind"])
    heatmap = decode(record["heatmap"], record["heatmap_scale"], grid)
    inputs = SceneInputs(heatmap, frame, boxes, ignored, peak)
    scores = score_record(inputs, settings)
    judged_on = judged.of(record["method"], grid) if judged else grid
    if judged_on != grid:
        scores = judged.rescored(scores, inputs)
    view = frame.view
    return {
        **{key: record[key] for key in KEYS},
        "width": image["width"],
        "height": image["height"],
        "view": [view.x0, view.y0, view.x1, view.y1],
        "boxes": boxes.ravel().tolist(),
        "n_boxes": len(boxes),
        "n_ignored": len(ignored),
        "n_classes": len({o["class_name"] for o in image["objects"]} & mapped),
        "judged_height": judged_on[0],
        "judged_width": judged_on[1],
        **scores,
        "background_focused": background_focused(
            scores["pointing_hit"], scores["energy_skill"], min_energy_skill
        ),
    }


def reference_boxes(
    record: dict[str, Any], objects: Sequence[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) boxes that a record is scored against, and (m, 4) regions that count nowhere."""
    if record["reference"] == "class":
        objects = [o for o in objects if o["class_name"] == record["target_class"]]
    corners = np.array([(o["x0"], o["y0"], o["x1"], o["y1"]) for o in objects], np.float64).reshape(
        -1, 4
    )
    out = np.array([o["ignored"] for o in objects], bool)
    return corners[~out], corners[out]


def _joined(layout: Layout, shard: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each record with its image's row of the index; both files are in the same order."""
    images = iterate_rows(layout.index(shard), ["file_name", "width", "height", "objects"])
    image: dict[str, Any] | None = None
    for record in iterate_rows(layout.explained(shard)):
        while image is None or image["file_name"] != record["file_name"]:
            image = next(images, None)
            if image is None:
                raise AuditError(
                    "its images are not those of the index", where=str(layout.explained(shard)),
                    hint="delete it and run again",
                )  # fmt: skip
        yield record, image


def _chunks(items: Iterator) -> Iterator[list]:
    while chunk := list(islice(items, CHUNK)):
        yield chunk


@contextmanager
def _mapper(jobs: int) -> Iterator[Callable]:
    """``map`` in order, here or over processes, with a bounded number of chunks under way."""
    if jobs < 2:
        yield map
        return
    with processes(jobs, "score") as pool:
        yield partial(in_order, pool, ahead=4 * jobs)


def _arrow_type(column: Column) -> pa.DataType:
    plain = ARROW_TYPES[column.dtype]
    return pa.list_(plain) if column.shape else plain
