"""Grad-CAM."""

from __future__ import annotations

import numpy as np

from audit.explain.method import LayerTrace, method


@method(
    "gradcam",
    "channels of the layer weighted by their mean gradient, positive part",
    "Selvaraju et al. 2017, Grad-CAM, ICCV, equations 1 and 2",
)
def gradcam(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k alpha_k A_k)`` with ``alpha_k`` the mean of the gradient over the grid.

    float32 (P, h, w), non-negative, not normalised.
    """
    maps = [
        # Not by BLAS, whose sums depend on the number of threads.
        np.einsum("hwc,c->hw", trace.activations[row], alpha)
        for row, alpha in zip(trace.rows, trace.mean_gradients, strict=True)
    ]
    height, width = trace.activations.shape[1:3]
    stacked = np.stack(maps) if maps else np.empty((0, height, width), np.float32)
    # Written so that NaN stays NaN: a broken map must not look like an empty one.
    return np.where(stacked < 0, np.float32(0), stacked)
