"""Guided Grad-CAM."""

from __future__ import annotations

import cv2
import numpy as np

from audit.explain.guided_backprop import check
from audit.explain.method import Option, method
from audit.explain.pixels import in_groups, reduced
from audit.explain.question import LayerTrace

REDUCE = Option(
    "Of guided backpropagation: the sum of its positive part over a pixel's channels, or the largest "
    "or summed absolute value.",
    choices=("positive", "max", "sum"),
)


@method(
    "guided_gradcam",
    "guided backpropagation times Grad-CAM at the pixels",
    "Selvaraju et al. 2017, Grad-CAM, ICCV, section 3.2",
    options={"reduce": REDUCE},
    check=check,
)
def guided_gradcam(trace: LayerTrace, reduce: str = "positive") -> np.ndarray:
    """Guided backpropagation times the layer's Grad-CAM, bilinear with half-pixel centres.

    Taken at the pixels, then averaged over the cells of ``explain.grid``: float32 (P, h, w).
    """
    question = trace.question
    gradcam = trace.combined(trace.mean_gradients)
    height, width = question.input_size

    def multiplied(of: list[int]) -> np.ndarray:
        maps = reduced(question.input_gradients(of, "guided"), reduce)
        for place, target in enumerate(of):
            maps[place] *= cv2.resize(
                gradcam[target], (width, height), interpolation=cv2.INTER_LINEAR
            )
        return maps

    return in_groups(question, range(len(question.targets)), multiplied)
