"""Deconvnet."""

from __future__ import annotations

import numpy as np

from audit.explain.guided_backprop import rule_note
from audit.explain.method import method
from audit.explain.pixels import REDUCE, gradient_maps
from audit.explain.question import LayerTrace, Question


def check(question: Question, **_: object) -> list[str]:
    return [rule_note(question, "deconv")]


@method(
    "deconvnet",
    "gradient at each pixel that only positive gradients reach",
    "Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV, 2.1",
    level="input",
    options={"reduce": REDUCE},
    check=check,
)
def deconvnet(trace: LayerTrace, reduce: str = "max") -> np.ndarray:
    """Saliency with ``1[g > 0] g`` as the way back through each ReLU, float32 (P, h, w).

    The way back through pooling is its gradient, which is the paper's unpooling by switches.
    """
    return gradient_maps(trace.question, "deconv", reduce)
