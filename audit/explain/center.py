"""A baseline that always points at the middle."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace

# Standard deviation, as a share of each side.
SIGMA = 0.25


@method(
    "center",
    "a Gaussian around the middle of the input: what photographers' habits alone give",
    "after the center baseline of TorchRay's pointing game (Fong et al. 2019, ICCV)",
    level="baseline",
)
def center(trace: LayerTrace) -> np.ndarray:
    """``exp(-(u^2 + v^2) / (2 sigma^2))`` at the cells' centres, ``u`` and ``v`` from the middle in
    shares of the sides, ``sigma`` a quarter; float32 (P, h, w), the same for every target."""
    rows, cols = (np.exp(-0.5 * (_offsets(n) / SIGMA) ** 2) for n in trace.grid)
    one = np.outer(rows, cols).astype(np.float32)
    return np.repeat(one[None], len(trace.rows), axis=0)


def _offsets(n: int) -> np.ndarray:
    """Of n cells' centres from the middle, in shares of the side; float64 (n,)."""
    return (np.arange(n) + 0.5) / n - 0.5
