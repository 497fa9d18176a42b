"""Heatmaps as arrays: their maximum, their storage, upsampling, thresholds and components.

A heatmap ``a`` is float32 (h, w), non-negative, one value per native cell; the cells divide the
model's whole input evenly, and :class:`audit.records.Frame` says where that lies in the original
image. Upsampling is linear, ``A = U a``, bilinear with half-pixel centres, and ``U`` is the product
of one small matrix per axis, so that sums over pixels become sums over cells.

Determinism: nothing here calls BLAS. Sums are NumPy's own (pairwise or ``einsum``), and OpenCV's
calls are element by element or integer, so that thread counts do not change a result.
"""

from audit.heatmaps.average import cell_means
from audit.heatmaps.codec import decode, encode
from audit.heatmaps.components import component_boxes, largest_component
from audit.heatmaps.fixations import fixation_heatmap, without_outliers
from audit.heatmaps.peak import FLAT_MAP, NEGATIVE_MAP, NON_FINITE_MAP, PEAK, Peak, maximum
from audit.heatmaps.sampling import sample
from audit.heatmaps.superlevel import SuperlevelSets, even_steps, level_image
from audit.heatmaps.thresholds import THRESHOLD_KINDS, Threshold, otsu_fraction
from audit.heatmaps.upsample import axis_matrix, cell_shares, cumulative_weights, upsample

__all__ = [
    "FLAT_MAP",
    "NEGATIVE_MAP",
    "NON_FINITE_MAP",
    "PEAK",
    "THRESHOLD_KINDS",
    "Peak",
    "SuperlevelSets",
    "Threshold",
    "axis_matrix",
    "cell_means",
    "cell_shares",
    "component_boxes",
    "cumulative_weights",
    "decode",
    "encode",
    "even_steps",
    "fixation_heatmap",
    "largest_component",
    "level_image",
    "maximum",
    "otsu_fraction",
    "sample",
    "upsample",
    "without_outliers",
]
