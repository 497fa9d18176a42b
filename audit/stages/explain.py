"""``explain``: one shard through the model: predictions and heatmaps, in one pass.

Decoding runs ahead in threads; the model sees batches of exactly the configured size, the last one
padded, so that results do not depend on the shard an image is in. On a CPU some batches are explained
side by side and written in their order, so that no thread waits for what one alone can do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from audit.config.model import Config
from audit.errors import AuditError
from audit.explain import NO_LAYER, ClassScore, Method, Question, Wanted
from audit.heatmaps import FLAT_MAP, encode, maximum
from audit.metrics.scene import EVEN
from audit.models.probe import Forward, ModelProbe
from audit.models.runtime import SIDE_BY_SIDE, device_kind, device_name, ran_out_of_memory
from audit.progress import Progress
from audit.stages.ahead import in_order
from audit.stages.eligibility import NON_FINITE_OUTPUT
from audit.stages.inspect import check_same_model, methods_of, needs_layer
from audit.stages.layout import Layout
from audit.stages.loading import INDEX_COLUMNS, Loaded, image_key, load_ahead
from audit.stages.metadata import OtherInputs
from audit.stages.pace import Pace
from audit.stages.runtime import start_model, thread_count, with_batch
from audit.stages.targets import Target, TargetChooser, output_rank
from audit.tables.atomic import write_json
from audit.tables.parquet import count_rows, iterate_rows, open_table

RECORD_SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        ("target_class", pa.string()),
        ("method", pa.string()),
        ("layer", pa.string()),
        ("role", pa.string()),
        ("reference", pa.string()),
        ("correct", pa.bool_()),
        ("target_score", pa.float64()),
        ("target_probability", pa.float64()),
        ("target_rank", pa.int32()),
        ("grid_height", pa.int32()),
        ("grid_width", pa.int32()),
        ("heatmap", pa.binary()),
        ("heatmap_scale", pa.float32()),
        ("point_u", pa.float64()),
        ("point_v", pa.float64()),
        ("tied", pa.bool_()),
        ("map_kind", pa.string()),
    ]
)
IMAGE_SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        ("fault", pa.string()),
        ("detail", pa.string()),
        ("n_targets", pa.int32()),
        ("predicted_output", pa.int32()),
        ("predicted_class", pa.string()),
        ("predicted_score", pa.float64()),
        ("fingerprint", pa.binary()),
    ]
)


def run_explain(
    config: Config, layout: Layout, found: dict[str, Any], shard: str, progress: Progress
) -> None:
    """Explain one shard and write its two tables; ``found`` is the content of ``model.json``."""
    start_model(config)
    probe = ModelProbe(config, needs_layer(methods_of(config)))
    check_same_model(probe.facts.as_dict(), found["facts"])
    explain_shard(config, layout, found, shard, probe, progress)


def explain_shard(
    config: Config,
    layout: Layout,
    found: dict[str, Any],
    shard: str,
    probe: ModelProbe,
    progress: Progress,
) -> None:
    """:func:`run_explain` with a model that is ready."""
    cv2.setNumThreads(1)  # images are decoded side by side already
    chooser = TargetChooser(
        found["classes"], found["labels"], probe.facts.output, config.targets.chosen(),
        config.targets.top_k,
    )  # fmt: skip
    rows = iterate_rows(layout.index(shard), INDEX_COLUMNS)
    count = count_rows(layout.index(shard))
    explainer = Explainer(config, probe, chooser, Pace(progress, methods_of(config), count))
    at_once = batches_at_once(config)
    seconds = Counter(dict.fromkeys(explainer.parts, 0.0))
    explained = 0
    progress.start(count, "images explained")
    with (
        open_table(layout.explained(shard), RECORD_SCHEMA) as records,
        open_table(layout.seen(shard), IMAGE_SCHEMA) as images,
        ThreadPoolExecutor(max_workers=thread_count(config)) as decoders,
        ThreadPoolExecutor(max_workers=at_once) as models,
    ):
        loaded = load_ahead(decoders, rows, config, probe.facts, (3 + at_once) * probe.batch)
        batches = _batches(loaded, probe.batch)
        parts = map(explainer.explain, batches)
        if at_once > 1:
            parts = in_order(models, explainer.explain, batches, at_once + 1)
        for part in parts:
            for row in part.images:
                images.append(row)
            for row in part.records:
                records.append(row)
            explained += part.explained
            seconds.update(part.seconds)
        write_json(
            layout.timing(shard),
            {
                "images": explained,
                # Of those that work side by side, each has its share of the time.
                "seconds": {name: value / at_once for name, value in seconds.items()},
                "device": device_name(),
                "batch_size": explainer.batch,
            },
        )
    progress.finish()


def batches_at_once(config: Config) -> int:
    """How many batches are explained side by side: :data:`SIDE_BY_SIDE` on a CPU's threads.

    One where a method makes passes of its own, since it keeps the processor busy by itself and tells
    how far it is; or goes back to the pixels, since that holds every layer's values. One on a GPU,
    whose memory is dearer, and which was not measured.
    """
    simple = all(m.level != "input" and m.passes is None for m, _ in methods_of(config))
    return min(SIDE_BY_SIDE, thread_count(config)) if simple and device_kind() == "CPU" else 1


@dataclass(frozen=True)
class Run:
    """One method at one layer: a row for each target."""

    method: Method
    options: dict[str, Any]
    layer: str
    """Path of the layer, or what stands for none."""
    place: int | None
    """Its place among the chosen layers."""

    @property
    def name(self) -> str:
        return f"{self.method.name}|{self.layer}"


def runs_of(config: Config, probe: ModelProbe) -> list[Run]:
    """Every chosen method at every layer that it looks at, sorted by method and layer."""
    runs = []
    for chosen, options in methods_of(config):
        paths = [layer.path for layer in probe.facts.layers]
        if chosen.level == "layer":
            runs += [Run(chosen, options, path, k) for k, path in enumerate(paths)]
        else:
            runs.append(Run(chosen, options, NO_LAYER[chosen.level], 0 if paths else None))
    return sorted(runs, key=lambda run: (run.method.name, run.layer))


@dataclass
class Explained:
    """What came of a batch: rows of the two tables, and the seconds that each part of it took."""

    images: list[dict[str, Any]]
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    explained: int = 0

    def add(self, other: Explained) -> None:
        """Append what came of further images."""
        self.images += other.images
        self.records += other.records
        self.seconds.update(other.seconds)
        self.explained += other.explained

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - began


@dataclass(frozen=True)
class Traced:
    """The model at one batch size, with what its other inputs are fed."""

    probe: ModelProbe
    others: OtherInputs


class Explainer:
    """Turns batches of loaded images into rows; several batches may be asked about at once."""

    def __init__(
        self, config: Config, probe: ModelProbe, chooser: TargetChooser, pace: Pace
    ) -> None:
        self._config = config
        self._chooser = chooser
        self._pace = pace
        self._runs = runs_of(config, probe)
        self._traced = self._with(probe)
        self._halving = Lock()

    @property
    def parts(self) -> list[str]:
        """What the seconds are told of."""
        return ["forward", *(run.name for run in self._runs)]

    @property
    def batch(self) -> int:
        """Images that go through the model at once."""
        return self._traced.probe.batch

    def explain(self, loaded: Sequence[Loaded]) -> Explained:
        """Those that could be read, in their order, after those that could not.

        Where memory runs out, the same again in batches of half, and so from then on.

        Raises
        ------
        AuditError: there is no half of a batch.
        """
        out = Explained([_fault_row(item) for item in loaded if item.fault])
        self._pace.finish(len(out.images))
        rest = [item for item in loaded if item.fault is None]
        while rest:
            traced = self._traced
            batch = rest[: traced.probe.batch]
            part = self._fitting(traced, batch)
            if part is None:
                self._halve(traced)
            else:
                out.add(part)
                rest = rest[len(batch) :]
        return out

    def _fitting(self, traced: Traced, batch: Sequence[Loaded]) -> Explained | None:
        """None where memory ran out, of which nothing is held on to here."""
        try:
            return self._explained(traced, batch)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            return None

    def _halve(self, traced: Traced) -> None:
        """Trace the model anew for half as many images, unless another batch has led to it."""
        with self._halving:
            if self._traced is not traced:
                return
            size = traced.probe.batch
            if size < 4:
                raise AuditError(
                    f"memory ran out with {size} images at once", where="run.batch_size",
                    hint="take fewer methods or layers, or a machine with more memory",
                )  # fmt: skip
            self._traced = self._with(
                traced.probe.traced_again(with_batch(self._config, size // 2))
            )
            self._pace.say(f"memory ran out; going on with {self.batch} images at once")

    def _with(self, probe: ModelProbe) -> Traced:
        return Traced(probe, OtherInputs(self._config, probe.blank_inputs()))

    def _explained(self, traced: Traced, batch: Sequence[Loaded]) -> Explained:
        """One forward pass for the batch, then all of its targets."""
        probe = traced.probe
        pixels = np.zeros((probe.batch, *batch[0].pixels.shape), np.uint8)
        for slot, item in enumerate(batch):
            pixels[slot] = item.pixels
        others = traced.others.batch([item.row["file_name"] for item in batch])
        out = Explained([], explained=len(batch))
        with out.timed("forward"):
            forward = probe.forward(pixels, others)
        seen = [self._seen(item, forward.probabilities[k]) for k, item in enumerate(batch)]
        out.images += [row for row, _ in seen]
        jobs = [(slot, target) for slot, (_, targets) in enumerate(seen) for target in targets]
        question = self._question(probe, batch, forward, jobs)
        self._pace.begin(question, len(batch), lambda: probe.forward(pixels, others))
        maps = [self._heatmaps(run, question, out) for run in self._runs]
        for place, (slot, target) in enumerate(jobs):
            shared = self._about(batch[slot], target, forward.probabilities[slot])
            shared["target_score"] = float(question.values[place])
            for run, of_run in zip(self._runs, maps, strict=True):
                out.records.append({**shared, **_map_columns(run, of_run[place])})
        self._pace.finish(len(batch))
        return out

    def _seen(self, item: Loaded, probabilities: np.ndarray) -> tuple[dict[str, Any], list[Target]]:
        """The image's own row, and its targets."""
        row = {"file_name": item.row["file_name"], "fingerprint": item.fingerprint}
        if not np.isfinite(probabilities).all():
            fault = {"fault": NON_FINITE_OUTPUT, "detail": "the model gave NaN or infinity"}
            return {**row, **fault}, []
        targets = self._chooser.choose(annotated_classes(item.row["objects"]), probabilities)
        top = int(probabilities.argmax())
        answer = {
            "n_targets": len(targets),
            "predicted_output": top,
            "predicted_class": self._chooser.predicted_class(probabilities),
            "predicted_score": float(probabilities[top]),
        }
        return {**row, **answer}, targets

    def _question(
        self,
        probe: ModelProbe,
        batch: Sequence[Loaded],
        forward: Forward,
        jobs: Sequence[tuple[int, Target]],
    ) -> Question:
        facts, seed = probe.facts, self._config.audit.seed
        wanted = [
            Wanted(slot, ClassScore(target.outputs, facts.score, facts.activation))
            for slot, target in jobs
        ]
        keys = [image_key(item.row["file_name"], seed) for item in batch]
        return Question(probe, forward, wanted, keys, self._config.explain.grid, seed)

    def _heatmaps(self, run: Run, question: Question, out: Explained) -> np.ndarray:
        with out.timed(run.name):
            return run.method.heatmaps(question.trace(run.place), run.options)

    def _about(self, item: Loaded, target: Target, probabilities: np.ndarray) -> dict[str, Any]:
        """What all of a target's rows say alike."""
        annotated = annotated_classes(item.row["objects"])
        return {
            "file_name": item.row["file_name"],
            "target_class": target.class_name,
            "role": "+".join(target.roles),
            "reference": "class" if target.annotated else "any_object",
            "correct": self._chooser.correct(target, annotated, probabilities),
            "target_probability": float(probabilities[list(target.outputs)].sum()),
            "target_rank": output_rank(target.outputs, probabilities),
        }


def _map_columns(run: Run, heatmap: np.ndarray) -> dict[str, Any]:
    peak = maximum(heatmap)
    data, scale = encode(heatmap)
    return {
        "method": run.method.name,
        "layer": run.layer,
        "grid_height": heatmap.shape[0],
        "grid_width": heatmap.shape[1],
        "heatmap": data,
        "heatmap_scale": scale,
        # Taken from the float32 map: storage as float16 makes ties.
        "point_u": peak.u,
        "point_v": peak.v,
        "tied": peak.tied,
        "map_kind": EVEN if run.method.level == "baseline" and peak.kind == FLAT_MAP else peak.kind,
    }


def annotated_classes(objects: Sequence[dict[str, Any]]) -> list[str]:
    """Classes with an object in the image, ignored ones too, sorted."""
    return sorted({o["class_name"] for o in objects})


def _fault_row(item: Loaded) -> dict[str, Any]:
    name, fault = item.row["file_name"], item.fault
    return {"file_name": name, "fault": fault.reason, "detail": fault.detail}


def _batches(loaded: Iterable[Loaded], size: int) -> Iterator[list[Loaded]]:
    """``size`` images that could be read, fewer in the last; those that could not among them."""
    batch: list[Loaded] = []
    readable = 0
    for item in loaded:
        batch.append(item)
        readable += item.fault is None
        if readable == size:
            yield batch
            batch, readable = [], 0
    if batch:
        yield batch
