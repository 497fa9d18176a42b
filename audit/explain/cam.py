"""Class activation mapping, the original."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace, Question


def _check(question: Question) -> list[str]:
    for layer in question.layers:
        question.subject.head_weights(layer)
    return []


@method(
    "cam",
    "channels weighted by the output layer's weights; for heads of pooling and one dense layer",
    "Zhou et al. 2016, Learning deep features for discriminative localization, CVPR, equation 2",
    check=_check,
)
def cam(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k W_kc A_k)``; of a score of several outputs, the columns weighted by its derivative.

    Equal to Grad-CAM times the number of cells, where it is defined, and read instead of
    differentiated. float32 (P, h, w); the paper's map is signed, ours its positive part.
    """
    weights = trace.head_weights
    return trace.combined([_of_score(weights, seed) for seed in trace.question.seeds])


def _of_score(weights: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """float32 (C,) of weights (C, n) and the score's derivative (n,)."""
    used = np.flatnonzero(seed)  # of a logit one column, out of thousands
    return np.einsum("cn,n->c", weights[:, used], seed[used])
