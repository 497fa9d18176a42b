"""The mean activation of a layer."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "activation",
    "mean of the layer's channels, positive part: the same for every class",
    "tf-explain's ExtractActivations; Zagoruyko and Komodakis 2017, ICLR (activation maps)",
)
def activation(trace: LayerTrace) -> np.ndarray:
    """``ReLU(mean_k A_k)``: what the layer responds to, whatever the class.

    A method that does no better explains the image and not the class. float32 (P, h, w).
    """
    return trace.positive([trace.activations[row].mean(axis=-1) for row in trace.rows])
