"""Grad-CAM."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "gradcam",
    "channels of the layer weighted by their mean gradient, positive part",
    "Selvaraju et al. 2017, Grad-CAM, ICCV, equations 1 and 2",
)
def gradcam(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k alpha_k A_k)`` with ``alpha_k`` the mean of the gradient over the grid.

    float32 (P, h, w), non-negative, not normalised.
    """
    return trace.combined(trace.mean_gradients)
