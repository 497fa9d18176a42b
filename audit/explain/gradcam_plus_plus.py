"""Grad-CAM++."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "gradcam_plus_plus",
    "channels weighted by their positive gradients, each place by its share in the score",
    "Chattopadhay et al. 2018, Grad-CAM++, WACV, equations 7 and 19",
)
def gradcam_plus_plus(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k w_k A_k)`` with ``w_k = sum_ij alpha_ijk ReLU(g_ijk)`` and
    ``alpha_ijk = g^2 / (2 g^2 + g^3 sum_ab A_abk)``.

    The closed form of the paper, whose score is ``exp(y)`` with ``y`` piecewise linear in the
    activation. ``exp(y)`` itself is left out: it scales the whole map, and overflows. Where the
    denominator is 0, ``alpha`` is 0. Where activations may be negative (silu) the denominator may
    pass through 0, which the paper does not treat.

    As no weight is negative, maps of different classes are nearly alike (on MobileNetV2 they
    correlate at .98, those of Grad-CAM at .03).

    Others differ: the authors' code and tf-keras-vis divide each channel's ``alpha`` by its sum
    over the grid, which the paper does not; xplique takes the mean of ``A`` for its sum.
    float32 (P, h, w), non-negative.
    """
    return trace.combined([_weights(a, g) for a, g in trace.pairs()])


def _weights(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``w`` float32 (C,) of (h, w, C); the fraction is reduced by ``g^2``, which would underflow."""
    denominator = 2 + gradient * activation.sum(axis=(0, 1))
    # Asked for what is left out, so that NaN stays.
    none = (gradient <= 0) | (denominator == 0)
    shares = np.where(none, np.float32(0), gradient / np.where(none, np.float32(1), denominator))
    return shares.sum(axis=(0, 1))
