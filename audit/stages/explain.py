"""``explain``: one shard through the model: predictions and heatmaps, in one pass.

Decoding runs ahead in threads; the model sees batches of exactly the configured size, the last one
padded, so that results do not depend on the shard an image is in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from audit.config.model import Config
from audit.digest import digest_json
from audit.errors import AuditError
from audit.explain import NO_LAYER, ClassScore, Method, Question, Wanted
from audit.geometry import Placement, placement
from audit.heatmaps import FLAT_MAP, encode, maximum
from audit.images import ImageHeader, UnreadableImage, decode, fit, read_file, reduction
from audit.metrics.scene import EVEN
from audit.models.probe import Forward, ModelFacts, ModelProbe
from audit.models.runtime import device_name, ran_out_of_memory
from audit.progress import Progress
from audit.stages.eligibility import NON_FINITE_OUTPUT
from audit.stages.inspect import check_same_model, methods_of, needs_layer
from audit.stages.layout import Layout
from audit.stages.metadata import OtherInputs
from audit.stages.pace import Pace
from audit.stages.runtime import start_model, thread_count, with_batch
from audit.stages.targets import Target, TargetChooser, output_rank
from audit.tables.atomic import write_json
from audit.tables.parquet import TableWriter, count_rows, iterate_rows, open_table

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
# Columns of the index that this stage reads; the annotations' own details stay on disk.
INDEX_COLUMNS = [
    "file_name", "path", "format", "mode", "stored_width", "stored_height", "orientation", "objects",
]  # fmt: skip
FINGERPRINT_SIZE = 16
# Grey levels by which a neighbour has to be brighter.
FINGERPRINT_STEP = 3


@dataclass(frozen=True)
class Loaded:
    """An image ready for the model, or the reason why it is not."""

    row: dict[str, Any]
    pixels: np.ndarray | None
    fingerprint: bytes
    fault: UnreadableImage | None


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
    pace = Pace(progress, methods_of(config), count)
    progress.start(count, "images explained")
    with (
        open_table(layout.explained(shard), RECORD_SCHEMA) as records,
        open_table(layout.seen(shard), IMAGE_SCHEMA) as images,
        ThreadPoolExecutor(max_workers=thread_count(config)) as pool,
    ):
        loaded = load_ahead(pool, rows, config, probe.facts, ahead=4 * probe.batch)
        batches = _batches(loaded, probe.batch, images, progress)
        explainer = Explainer(config, probe, chooser, records, images, pace)
        for batch in batches:
            _explain(explainer, batch, progress)
        write_json(
            layout.timing(shard),
            {
                "images": explainer.explained,
                "seconds": explainer.seconds,
                "device": device_name(),
                "batch_size": explainer.batch,
            },
        )
    progress.finish()


def _explain(explainer: Explainer, images: Sequence[Loaded], progress: Progress) -> None:
    """Where memory runs out, the same again in batches of half, and so from then on."""
    done = 0
    while done < len(images):
        batch = images[done : done + explainer.batch]
        if _fits(explainer, batch):
            done += len(batch)
        else:
            explainer.halve()
            progress.say(f"memory ran out; going on with {explainer.batch} images at once")


def _fits(explainer: Explainer, batch: Sequence[Loaded]) -> bool:
    """Explain a batch; False where memory ran out, of which nothing is held on to here."""
    try:
        explainer.explain(batch)
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        return False
    return True


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


class Explainer:
    """Takes batches of loaded images and writes their rows."""

    def __init__(
        self,
        config: Config,
        probe: ModelProbe,
        chooser: TargetChooser,
        records: TableWriter,
        images: TableWriter,
        pace: Pace,
    ) -> None:
        self._config = config
        self._probe = probe
        self._chooser = chooser
        self._records = records
        self._images = images
        self._pace = pace
        self._others = OtherInputs(config, probe.blank_inputs())
        self._runs = runs_of(config, probe)
        self.seconds = dict.fromkeys(["forward", *(run.name for run in self._runs)], 0.0)
        self.explained = 0

    @property
    def batch(self) -> int:
        """Images that go through the model at once."""
        return self._probe.batch

    def halve(self) -> None:
        """Trace the model anew for half as many images.

        Raises
        ------
        AuditError: there is no half of it.
        """
        if self.batch < 4:
            raise AuditError(
                f"memory ran out with {self.batch} images at once", where="run.batch_size",
                hint="take fewer methods or layers, or a machine with more memory",
            )  # fmt: skip
        self._probe = self._probe.traced_again(with_batch(self._config, self.batch // 2))
        self._others = OtherInputs(self._config, self._probe.blank_inputs())

    def explain(self, batch: Sequence[Loaded]) -> None:
        """One forward pass for the batch, then all of its targets; what fails leaves no rows."""
        first = batch[0].pixels
        pixels = np.zeros((self.batch, *first.shape), np.uint8)
        for slot, item in enumerate(batch):
            pixels[slot] = item.pixels
        others = self._others.batch([item.row["file_name"] for item in batch])
        with self._timed("forward"):
            forward = self._probe.forward(pixels, others)
        seen = [self._seen(item, forward.probabilities[k]) for k, item in enumerate(batch)]
        jobs = [(slot, target) for slot, (_, targets) in enumerate(seen) for target in targets]
        question = self._question(batch, forward, jobs)
        self._pace.begin(question, len(batch), lambda: self._probe.forward(pixels, others))
        maps = [self._heatmaps(run, question) for run in self._runs]
        for row, _ in seen:
            self._images.append(row)
        for place, (slot, target) in enumerate(jobs):
            shared = self._about(batch[slot], target, forward.probabilities[slot])
            shared["target_score"] = float(question.values[place])
            for run, of_run in zip(self._runs, maps, strict=True):
                self._records.append({**shared, **_map_columns(run, of_run[place])})
        self.explained += len(batch)
        self._pace.finish()

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
        self, batch: Sequence[Loaded], forward: Forward, jobs: Sequence[tuple[int, Target]]
    ) -> Question:
        facts, seed = self._probe.facts, self._config.audit.seed
        wanted = [
            Wanted(slot, ClassScore(target.outputs, facts.score, facts.activation))
            for slot, target in jobs
        ]
        keys = [image_key(item.row["file_name"], seed) for item in batch]
        return Question(self._probe, forward, wanted, keys, self._config.explain.grid, seed)

    def _heatmaps(self, run: Run, question: Question) -> np.ndarray:
        with self._timed(run.name):
            return run.method.heatmaps(question.trace(run.place), run.options)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - began

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


def image_key(file_name: str, seed: int) -> int:
    """64 bits for what is random about an image: the same in any batch and shard."""
    return int(digest_json([seed, file_name])[:16], 16)


def annotated_classes(objects: Sequence[dict[str, Any]]) -> list[str]:
    """Classes with an object in the image, ignored ones too, sorted."""
    return sorted({o["class_name"] for o in objects})


def load_ahead(
    pool: ThreadPoolExecutor,
    rows: Iterable[dict[str, Any]],
    config: Config,
    facts: ModelFacts,
    ahead: int,
) -> Iterator[Loaded]:
    """Images in order, decoded up to ``ahead`` of the one that is asked for."""
    waiting: deque[Future[Loaded]] = deque()
    for row in rows:
        waiting.append(pool.submit(load_image, row, config, facts))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def load_image(row: dict[str, Any], config: Config, facts: ModelFacts) -> Loaded:
    """Read, decode and resize one image; a fault of the file is kept, not raised."""
    header = header_of(row)
    try:
        pixels, small = model_input(read_file(Path(row["path"])), header, config, facts)
    except UnreadableImage as fault:
        return Loaded(row, None, b"", fault)
    return Loaded(row, small, fingerprint(pixels), None)


def model_input(
    data: bytes, header: ImageHeader, config: Config, facts: ModelFacts
) -> tuple[np.ndarray, np.ndarray]:
    """The whole image as it was decoded, and the model's input, both uint8.

    Raises
    ------
    UnreadableImage: see :func:`audit.images.decode`.
    """
    resize, placed = config.model.resize, image_placement(header, config, facts)
    times = reduction(header, placed) if resize.reduces() else 1
    pixels = decode(data, header, facts.channels, times)
    return pixels, fit(pixels, placed.reduced(times), resize.interpolation, resize.pad_value)


def header_of(row: dict[str, Any]) -> ImageHeader:
    """The header that the index noted of an image."""
    return ImageHeader(
        row["format"], row["mode"], row["stored_width"], row["stored_height"], row["orientation"]
    )


def image_placement(header: ImageHeader, config: Config, facts: ModelFacts) -> Placement:
    """Where the image goes in the model's input."""
    resize = config.model.resize
    return placement(
        header.width, header.height, facts.input_width, facts.input_height, resize.mode,
        resize.crop_fraction,
    )  # fmt: skip


def fingerprint(pixels: np.ndarray) -> bytes:
    """256 bits that near-duplicates share: which of two neighbours in a 17x16 grid is brighter.

    The difference hash of N. Krawetz (2013), on uint8 (H, W, C): the whole image, area-averaged,
    since the model's own input aliases and finds fewer of the copies. Differences that re-encoding
    makes by itself count as none.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    if min(height, width) >= 2 * FINGERPRINT_SIZE:  # halving first is three times as fast
        even = pixels[: 2 * height, : 2 * width]
        pixels = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[-1] == 3 else pixels
    fine = cv2.resize(
        grey, (2 * FINGERPRINT_SIZE + 2, 2 * FINGERPRINT_SIZE), interpolation=cv2.INTER_AREA
    )
    blocks = fine.reshape(FINGERPRINT_SIZE, 2, FINGERPRINT_SIZE + 1, 2)
    cells = blocks.astype(np.float32).mean(axis=(1, 3))
    return np.packbits(np.diff(cells, axis=1) > FINGERPRINT_STEP).tobytes()


def _batches(
    loaded: Iterator[Loaded], size: int, images: TableWriter, progress: Progress
) -> Iterator[list[Loaded]]:
    """Full batches of images that could be read; the others are noted at once."""
    batch: list[Loaded] = []
    for item in loaded:
        if item.fault is not None:
            images.append(
                {
                    "file_name": item.row["file_name"],
                    "fault": item.fault.reason,
                    "detail": item.fault.detail,
                }
            )
            progress.step()
            continue
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
