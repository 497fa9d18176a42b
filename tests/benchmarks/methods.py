"""Every explanation method on one model: images a second, beside the bare forward pass.

``python -m tests.benchmarks.methods MODEL PREPROCESS``; images are in memory, one class each.
"""

from __future__ import annotations

import sys
import time

from audit.stages.runtime import set_threads

set_threads()

import numpy as np  # noqa: E402

from audit.config.model import Config  # noqa: E402
from audit.errors import AuditError  # noqa: E402
from audit.explain import METHODS, ClassScore, Method, Question, Wanted  # noqa: E402
from audit.models.probe import ModelProbe  # noqa: E402
from audit.models.runtime import start  # noqa: E402
from audit.stages.runtime import thread_count  # noqa: E402

BATCH = 32
# A method is timed on full batches for about this long; one that takes longer is timed on one image.
SECONDS = 4.0


def main(path: str, preprocess: str) -> None:
    """Print a line for each method."""
    config = Config.model_validate(
        {
            "audit": {"name": "x"},
            "model": {"path": path, "preprocess": preprocess},
            "dataset": {"format": "coco", "annotations": "-", "images": "-"},
            "run": {"batch_size": BATCH},
        }
    )
    start(thread_count(config))
    probe = ModelProbe(config)
    rng = np.random.default_rng(0)
    facts = probe.facts
    size = (BATCH, facts.input_height, facts.input_width, facts.channels)
    pixels = rng.integers(0, 256, size, np.uint8)
    classes = rng.integers(0, facts.n_outputs, BATCH)
    bare = BATCH / _seconds(lambda: probe.forward(pixels))
    print(f"{'method':<24} {'images/s':>9} {'of bare':>8} {'passes/image':>13}")
    print(f"{'(bare forward pass)':<24} {bare:9.2f} {1:8.3f}")
    for name, method in METHODS.items():
        try:
            rate, passes = _rate(probe, method, pixels, classes)
        except AuditError as error:
            print(f"{name:<24} refused: {error}")
            continue
        print(f"{name:<24} {rate:9.3f} {rate / bare:8.4f} {passes:>13}", flush=True)


def _rate(
    probe: ModelProbe, method: Method, pixels: np.ndarray, classes: np.ndarray
) -> tuple[float, int | str]:
    """Images a second, forward pass included, and the forward passes that an image costs."""
    options, facts = method.defaults(), probe.facts

    def question(count: int) -> Question:
        wanted = [
            Wanted(row, ClassScore((int(classes[row]),), facts.score, facts.activation))
            for row in range(count)
        ]
        return Question(probe, probe.forward(pixels), wanted, range(BATCH), 56, 0)

    asked = question(1)
    method.notes(asked, options)
    passes = method.passes(asked, **options) if method.passes else "-"
    count = 1 if passes != "-" and passes > 100 else BATCH

    def explain() -> None:
        method.heatmaps(question(count).trace(0), options)

    return count / _seconds(explain, warm=count > 1), passes


def _seconds(work, warm: bool = True) -> float:
    """Median of several runs, after one that is not counted."""
    if warm:
        work()
    took: list[float] = []
    while not took or (sum(took) < SECONDS and len(took) < 20):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
