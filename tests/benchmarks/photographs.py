"""Large photographs into the model's input: in full, and decoded at a part of their size."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np

from audit.config.load import parse_config
from audit.images import read_header
from audit.stages.loading import fingerprint, model_input
from tests.benchmarks.data import SHARED, large_jpeg, texture

FACTS = SimpleNamespace(channels=3, input_width=224, input_height=224)


def main() -> None:
    """One line for each kind of resampling."""
    cv2.setNumThreads(1)
    files = [encoded(k) for k in range(6)]
    for interpolation in ("area", "bilinear"):
        full, reduced = (config(interpolation, how) for how in ("full", "reduced"))
        rows = [(_cost(data, full), _cost(data, reduced)) for data in files]
        seconds = np.array([[a[0], b[0]] for a, b in rows])
        apart = np.array([np.abs(a[1].astype(int) - b[1]) for a, b in rows])
        print(
            f"{interpolation:<9} {1000 * seconds[:, 0].mean():.0f} ms in full, "
            f"{1000 * seconds[:, 1].mean():.0f} ms reduced: "
            f"{(seconds[:, 0] / seconds[:, 1]).min():.1f} to "
            f"{(seconds[:, 0] / seconds[:, 1]).max():.1f} times as fast; "
            f"the input differs by {apart.mean():.2f} grey levels, {apart.max()} at most"
        )


def config(interpolation: str, decode: str):
    resize = {"interpolation": interpolation, "decode": decode}
    return parse_config(
        {
            "audit": {"name": "bench"},
            "model": {"path": "none.keras", "preprocess": "none", "resize": resize},
            "dataset": {"format": "coco", "annotations": "-", "images": "-"},
        },
        "bench",
    )


def encoded(number: int) -> bytes:
    """A photograph made larger, every other one with grain."""
    paths = sorted((SHARED / "voc2012_100/images").glob("*.jpg"))
    small = cv2.imread(str(paths[number])) if paths else texture(np.random.default_rng(number))
    return large_jpeg(small, number, 6 * (number % 2))


def _cost(data: bytes, settings) -> tuple[float, np.ndarray]:
    """Seconds of one thread, the best of some, and the model's input."""
    header = read_header(data)

    def work() -> np.ndarray:
        pixels, small = model_input(data, header, settings, FACTS)
        fingerprint(pixels)
        return small

    return min(_timed(work) for _ in range(4)), work()


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
