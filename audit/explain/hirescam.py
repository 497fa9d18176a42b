"""HiResCAM."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace


@method(
    "hirescam",
    "activation times gradient at each place, summed over the channels, positive part",
    "Draelos and Carin 2020, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891",
)
def hirescam(trace: LayerTrace) -> np.ndarray:
    """``ReLU(sum_k g_k A_k)``, place by place.

    The paper's map is signed, and sums to the score less the bias where the head is one dense
    layer; the ReLU, which it leaves to the display, is taken here, since every map is scored as
    non-negative. float32 (P, h, w).
    """
    return trace.positive([np.einsum("hwc,hwc->hw", a, g) for a, g in trace.pairs()])
