"""A baseline that knows nothing."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "uniform",
    "the same value everywhere: scored by what is expected of a map without knowledge",
    "the constant map; its expected scores are those of a point drawn at random",
    level="baseline",
)
def uniform(trace: LayerTrace) -> np.ndarray:
    """Ones, float32 (P, h, w)."""
    return np.ones((len(trace.rows), *trace.grid), np.float32)
