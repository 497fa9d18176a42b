"""Localisation metrics beside those of Quantus: the same values, and how long each takes.

``compare`` scores records here, then runs the rest of this file in an environment of its own, as
``python -P quantus.py FILE``, on the same upsampled maps and masks. Ours starts from the native map
and the box, so that its time has the upsampling in it, which Quantus is given. Processor time, one
thread, a batch at a time for Quantus, which normalises nothing: all of these metrics are ratios.
A call of Quantus first puts all values of the batch into a Python set, to see that they differ; that
takes most of its time, so its time without any check stands beside that of the call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

PACKAGE = "quantus>=0.6,<0.7"
COUNT, ROUNDS = 16, 3
# Ours -> theirs, and how far apart values may lie: their sums are of float32, and our AUC is of so
# many steps. Their point is the highest pixel, ours the centre of the highest cell: next to a box's
# edge they may differ.
PAIRS = {
    "pointing_hit_0px": ("PointingGame", 0.0),
    "energy_in_box": ("RelevanceMassAccuracy", 1e-4),
    "relevance_rank": ("RelevanceRankAccuracy", 1e-9),
    "top_k_intersection": ("TopKIntersection", 1e-9),
    "auc": ("AUC", 1e-6),
    "energy_in_box ": ("AttributionLocalisation", 1e-4),
}
METRICS = ("pointing_game", "energy_in_box", "relevance_rank", "top_k_intersection", "auc")


def compare(folder: Path) -> None:
    """Print values that differ and the time of each, per record of 500x375."""
    for kind, cells in (("smooth", 7), ("noise", 7), ("noise", 56)):
        file = folder / "quantus.npz"
        values, ours = _ours(file, kind, cells)
        theirs = _theirs(folder, file)
        print(f"{kind} {cells}x{cells}: ours {ours:.2f} ms a record, all five metrics")
        for way, spent in theirs["milliseconds"].items():
            total = sum(spent.values())
            print(f"  Quantus {way:<15}{total:7.1f} ms, {total / ours:4.0f} times as long")
        for name, (metric, within) in PAIRS.items():
            one, other = values[name.strip()], np.array(theirs["values"][metric])
            apart, (call, bare) = (
                np.abs(one - other),
                (m[metric] for m in theirs["milliseconds"].values()),
            )
            print(f"  {name:<19}{metric:<24}{call:7.2f} ms, {bare:6.2f} without checks; largest "
                  f"difference {apart.max():.1e}, over {within:g} in {(apart > within).sum()} of "
                  f"{len(apart)}")  # fmt: skip


def _ours(file: Path, kind: str, cells: int) -> tuple[dict[str, np.ndarray], float]:
    """Values by column, and milliseconds a record; the maps and masks go to ``file``."""
    import cv2

    from audit.metrics import MetricSettings, Scene, keep_freed_memory, score_record
    from tests.benchmarks.bench_scoring import milliseconds, scenes

    cv2.setNumThreads(1)
    keep_freed_memory()
    settings = MetricSettings(metrics=METRICS)
    inputs = scenes("stretch", kind, cells, 1, 0)[:COUNT]
    rows = [score_record(item, settings) for item in inputs]
    seen = [Scene(item, settings) for item in inputs]
    masks = np.stack([s.tiling.raster(s.tiling.inside) for s in seen])
    np.savez(file, maps=np.stack([s.values for s in seen]), masks=masks)
    columns = {name.strip() for name in PAIRS}
    values = {name: np.array([row[name] for row in rows], float) for name in columns}
    return values, milliseconds(inputs, settings, cold=False)


def _theirs(folder: Path, file: Path) -> dict[str, dict]:
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [
        str(_environment(folder / "quantus")),
        "-P",
        str(Path(__file__).resolve()),
        str(file),
    ]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **single}
    )
    return json.loads(done.stdout.splitlines()[-1])


def _environment(folder: Path) -> Path:
    """Its metrics of localisation need neither torch nor TensorFlow, and it brings none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    return python


def _run(file: str) -> dict[str, dict]:
    """In Quantus' environment: values by metric, and milliseconds a record by way and metric."""
    import quantus

    arrays = np.load(file)
    maps, masks = arrays["maps"][:, None], arrays["masks"][:, None]
    labels, values = np.zeros(len(maps), int), {}
    called, bare = {}, {}
    for name in dict.fromkeys(theirs for theirs, _ in PAIRS.values()):
        metric = getattr(quantus, name)(abs=False, normalise=False, disable_warnings=True)
        call = partial(metric, None, maps, labels, a_batch=maps, s_batch=masks, channel_first=True)
        values[name] = np.array(call(), float).tolist()
        called[name] = _milliseconds(call, 1, len(maps))
        evaluate = partial(metric.evaluate_batch, x_batch=maps, a_batch=maps, s_batch=masks)
        bare[name] = _milliseconds(evaluate, ROUNDS, len(maps))
    return {"values": values, "milliseconds": {"as called": called, "without checks": bare}}


def _milliseconds(work: Callable[[], object], rounds: int, count: int) -> float:
    """The least of a few rounds, of processor time, a record."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent) / count * 1e3


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1])))
