"""XGrad-CAM."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "xgradcam",
    "channels weighted by their gradient's mean where each place counts by its activation",
    "Fu et al. 2020, Axiom-based Grad-CAM, BMVC",
)
def xgradcam(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k w_k A_k)`` with ``w_k = sum_ij g_ijk A_ijk / sum_ab A_abk``.

    A channel that sums to 0 gets no weight. The authors add 1e-6 to the sum instead, to the same
    end, but that would blur the weights of small activations. float32 (P, h, w), non-negative.
    """
    return trace.combined([_weights(a, g) for a, g in trace.pairs()])


def _weights(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``w`` float32 (C,) of (h, w, C)."""
    total = activation.sum(axis=(0, 1))
    product = np.einsum("hwc,hwc->c", activation, gradient)
    return np.where(total == 0, np.float32(0), product / np.where(total == 0, np.float32(1), total))
