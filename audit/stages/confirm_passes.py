"""The changed images through the model, in parts that stay on disk when the run is killed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from audit.config.load import settings_digest
from audit.config.model import RUN_OF_MODEL, Config
from audit.digest import digest_json, package_digest
from audit.images import UnreadableImage
from audit.models.probe import ModelProbe
from audit.progress import Progress, duration
from audit.stages.confirm_images import CHANGE_SCHEMA, Pictures
from audit.stages.eligibility import NON_FINITE_OUTPUT
from audit.stages.inspect import check_same_model
from audit.stages.layout import Layout
from audit.stages.metadata import OtherInputs
from audit.stages.runtime import start_model, thread_count
from audit.statistics import kept_share
from audit.tables.parquet import read_table, write_rows

# Changed images a part: what is held in memory, and lost at most when the run is killed.
PART = 256

Row = dict[str, Any]


class Passes:
    """Fills in ``p``, ``r`` and ``answer`` of rows of :data:`CHANGE_SCHEMA`.

    ``probe``: a model that is ready; without one it is loaded when the first part needs it.
    """

    def __init__(
        self,
        config: Config,
        layout: Layout,
        found: Mapping[str, Any],
        images: Mapping[str, Row],
        pictures: Pictures,
        progress: Progress,
        probe: Any = None,
    ) -> None:
        self._config = config
        self._layout = layout
        self._found = found
        self._images = images
        self._pictures = pictures
        self._progress = progress
        self._probe = probe
        self._others: OtherInputs | None = None
        self._later: int | None = 0
        self._used: set[Path] = set()
        self._class_of = {o: name for name, outputs in found["classes"].items() for o in outputs}

    def run(self, rows: Sequence[Row], later: int = 0) -> list[Row]:
        """All rows, measured; parts that an earlier run finished are read instead.

        ``later``: how many more are expected, for the estimate of the time.
        """
        parts = [list(rows[k : k + PART]) for k in range(0, len(rows), PART)]
        paths = [self._layout.confirm_part(self._key(part)) for part in parts]
        left = [len(part) for part, path in zip(parts, paths, strict=True) if not path.exists()]
        if len(left) < len(parts):
            self._progress.say(f"{len(parts) - len(left)} of {len(parts)} parts are there already")
        if self._later is not None:
            self._later = later
        self._progress.start(sum(left), "changed images")
        for part, path in zip(parts, paths, strict=True):
            if not path.exists():
                write_rows(path, CHANGE_SCHEMA, self._measured(part, sum(left)))
        if left:
            self._progress.finish()
        self._used |= set(paths)
        return [row for path in paths for row in read_table(path).to_pylist()]

    def forget_others(self) -> None:
        """Remove the parts of an earlier plan."""
        for file in self._layout.confirm_parts.glob("*.parquet"):
            if file not in self._used:
                file.unlink()

    def _key(self, part: Sequence[Row]) -> str:
        """Digest of all that a part's probabilities depend on."""
        names = {row[key] for row in part for key in ("file_name", "donor")} - {None}
        return digest_json(
            [
                package_digest(), self._found["sha256"], self._found["classes"], list(part),
                settings_digest(self._config, "model", "dataset.metadata", *RUN_OF_MODEL),
                {name: self._images[name]["sha256"] for name in names},
            ]
        )  # fmt: skip

    def _measured(self, part: Sequence[Row], total: int) -> list[Row]:
        began = time.perf_counter()
        changed = self._changed(part)
        making = time.perf_counter() - began
        able = [k for k, image in enumerate(changed) if isinstance(image, np.ndarray)]
        out = [_told(row, image) for row, image in zip(part, changed, strict=True)]
        for k in range(0, len(able), self._config.run.batch_size):
            places = able[k : k + self._config.run.batch_size]
            batch = [changed[i] for i in places], [out[i] for i in places]
            self._forward(*batch)
            if self._later is not None:
                self._say(total, making / len(part), *batch)
            self._progress.step(len(places))
        self._progress.step(len(part) - len(able))
        return out

    def _changed(self, part: Sequence[Row]) -> list[np.ndarray | str | None]:
        """Each row's image, or the fault of one that cannot be read; None for a row with a reason."""
        cv2.setNumThreads(1)  # images are made side by side already

        def make(row: Row) -> np.ndarray | str | None:
            if row["reason"] is not None:
                return None
            try:
                return self._pictures.changed(row)
            except UnreadableImage as fault:
                return fault.reason

        with ThreadPoolExecutor(thread_count(self._config)) as pool:
            return list(pool.map(make, part))

    def _forward(self, images: Sequence[np.ndarray], rows: Sequence[Row]) -> None:
        """Up to a batch of images; the rest of it is padded: same shape, same bytes."""
        probe = self._ready()
        pixels = np.zeros((probe.batch, *images[0].shape), np.uint8)
        pixels[: len(images)] = images
        others = self._others.batch([row["file_name"] for row in rows])
        probabilities = probe.forward(pixels, others).probabilities
        for row, found in zip(rows, probabilities, strict=False):
            p = float(found[list(self._found["classes"][row["target_class"]])].sum())
            if not np.isfinite(p):
                row["reason"] = NON_FINITE_OUTPUT
                continue
            row["p"], row["r"] = p, float(kept_share(p, row["p0"]))
            row["answer"] = self._class_of.get(int(found.argmax()))

    def _say(
        self, total: int, making: float, images: Sequence[np.ndarray], rows: Sequence[Row]
    ) -> None:
        """How long it will take, once: by a batch again, since the first one compiles."""
        began = time.perf_counter()
        self._forward(images, rows)
        each = making + (time.perf_counter() - began) / self._config.run.batch_size
        whole, self._later = total + self._later, None
        self._progress.say(f"{whole:,} forward passes, about {duration(each * whole)}")
        self._progress.start(total, "changed images")  # what has passed was spent on starting

    def _ready(self) -> Any:
        """The model, loaded when it is first needed."""
        if self._probe is None:
            start_model(self._config)
            self._probe = ModelProbe(self._config, needs_layer=False)
            check_same_model(self._probe.facts.as_dict(), self._found["facts"], layers=False)
        if self._others is None:
            self._others = OtherInputs(self._config, self._probe.blank_inputs())
        return self._probe


def _told(row: Row, image: np.ndarray | str | None) -> Row:
    return {**row, "reason": image} if isinstance(image, str) else dict(row)
