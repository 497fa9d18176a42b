"""Saliency: the plain gradient of the score by the pixels."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.pixels import REDUCE, gradient_maps
from audit.explain.question import LayerTrace


@method(
    "saliency",
    "size of the score's gradient at each pixel",
    "Simonyan, Vedaldi and Zisserman 2014, Deep Inside Convolutional Networks, ICLR workshop, 3.1",
    level="input",
    options={"reduce": REDUCE},
)
def saliency(trace: LayerTrace, reduce: str = "max") -> np.ndarray:
    """``max_c abs(dy / dx_ijc)``, averaged over the cells of the grid.

    float32 (P, h, w). With ``explain.score: loss`` it is the gradient of the cross-entropy.
    """
    return gradient_maps(trace.question, "plain", reduce)
