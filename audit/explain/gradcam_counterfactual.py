"""Grad-CAM of what speaks against a class."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "gradcam_counterfactual",
    "Grad-CAM of the negated gradient: where the image speaks against the class",
    "Selvaraju et al. 2017, Grad-CAM, ICCV, counterfactual explanations",
)
def gradcam_counterfactual(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k alpha_k A_k)`` with ``alpha_k`` the mean of ``-g`` over the grid.

    float32 (P, h, w), non-negative: the part that Grad-CAM cuts off.
    """
    return trace.combined(-trace.mean_gradients)
