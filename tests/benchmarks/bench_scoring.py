"""Milliseconds per record of scoring, with and without the box sweep, and with every metric.

Run from the repository: ``python tests/benchmarks/bench_scoring.py``. One core. 500x375, a 7x7 map,
20 thresholds. "cold" forgets the cached axis weights before each record, as when every image has
another size.
"""

import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np

from audit.geometry import make_frame
from audit.heatmaps import cumulative_weights
from audit.metrics import METRICS, MetricSettings, SceneInputs, keep_freed_memory, score_record

RECORDS = 300
WITHOUT_BOXES = ("area", "pointing_game", "energy_in_box", "mask_iou")


def maps(kind: str, cells: int) -> np.ndarray:
    """float32 (RECORDS, cells, cells); ``smooth`` looks like Grad-CAM, ``noise`` is the worst."""
    rng = np.random.default_rng(0)
    noise = rng.random((RECORDS, cells, cells), dtype=np.float32)
    if kind == "noise":
        return noise
    smooth = [cv2.GaussianBlur(m, (0, 0), 1.0) for m in noise]
    return np.stack([(m - m.min()) ** 1.5 for m in smooth])


def milliseconds(inputs: list[SceneInputs], settings: MetricSettings, cold: bool) -> float:
    """Best of three rounds, per record; processor time, so that a busy machine counts less."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for item in inputs:
            if cold:
                cumulative_weights.cache_clear()
            score_record(item, settings)
        rounds.append((time.process_time() - start) / len(inputs) * 1e3)
    return min(rounds)


def scenes(mode: str, kind: str, cells: int, n_boxes: int, ignored: int) -> list[SceneInputs]:
    rng = np.random.default_rng(1)
    frame = make_frame(500, 375, 224, 224, mode)
    corner = rng.uniform((40, 30), (300, 200), (RECORDS, n_boxes + ignored, 2))
    size = rng.uniform(40, 190, corner.shape)
    boxes = np.concatenate((corner, corner + size), axis=2)
    return [
        SceneInputs(a, frame, b[:n_boxes], b[n_boxes:])
        for a, b in zip(maps(kind, cells), boxes, strict=True)
    ]


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed_memory()
    default = MetricSettings()
    every = MetricSettings(metrics=tuple(METRICS.names()))
    fewer = MetricSettings(metrics=WITHOUT_BOXES)
    cases = [
        ("stretch", "smooth", 7, 1, 0),
        ("stretch", "noise", 7, 1, 0),
        ("stretch", "smooth", 14, 1, 0),
        ("stretch", "noise", 56, 1, 0),
        ("center_crop", "smooth", 7, 1, 0),
        ("letterbox", "smooth", 7, 1, 0),
        ("stretch", "smooth", 7, 4, 0),
        ("stretch", "smooth", 7, 4, 2),
    ]
    print(
        "mode         map     cells boxes ignored | default  without box sweep  cold default  every"
        "  (ms/record)"
    )
    for case in cases:
        mode, kind, cells, n_boxes, ignored = case
        inputs = scenes(*case)
        times = (
            milliseconds(inputs, default, False),
            milliseconds(inputs, fewer, False),
            milliseconds(inputs, default, True),
            milliseconds(inputs, every, False),
        )
        print(
            f"{mode:12} {kind:7} {cells:5} {n_boxes:5} {ignored:7} | "
            f"{times[0]:7.2f} {times[1]:18.2f} {times[2]:13.2f} {times[3]:6.2f}"
        )


if __name__ == "__main__":
    main()
