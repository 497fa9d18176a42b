"""A baseline of noise."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "random",
    "a random value in each cell: what chance alone gives",
    "noise; the answer of a method that saw neither the model nor the image",
    level="baseline",
)
def random(trace: LayerTrace) -> np.ndarray:
    """Uniform on [0, 1), float32 (P, h, w); an image's targets share it.

    Drawn from the image's own key, so that it depends on neither batch nor shard.
    """
    maps = [_noise(trace.question.keys[row], trace.grid) for row in trace.rows]
    return np.array(maps, np.float32).reshape(len(maps), *trace.grid)


def _noise(key: int, grid: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(key).random(grid, np.float32)
