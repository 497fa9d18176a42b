"""Points on the image as a heatmap: outliers left out, counted, blurred.

Mopuri, Garg, Babu 2019, "CNN Fixations", IEEE Transactions on Image Processing 28 (5).
"""

from __future__ import annotations

import cv2
import numpy as np

# An outlier has at most this share of all points, itself among them, nearer than the diagonal of
# the image divided by this.
SHARE = 0.05
NEAR = 10
# The heatmap's blur: standard deviation in pixels on an image of that many.
SIGMA, SIGMA_SIDE = 20.0, 224


def fixation_heatmap(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Points without outliers, counted at pixels and blurred.

    Parameters
    ----------
    points: int (N, 2), row and column on the model's input.
    height, width: of the model's input, pixels.

    Returns
    -------
    float32 (height, width), maximum 1; all 0 where no point is left.
    """
    kept = without_outliers(points, height, width)
    counts = np.zeros((height, width), np.float32)
    np.add.at(counts, (kept[:, 0], kept[:, 1]), 1)
    sigma = SIGMA * min(height, width) / SIGMA_SIDE
    # Mirrored at the border, as in the authors' code: no density is lost over the edge.
    blurred = cv2.GaussianBlur(counts, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    highest = blurred.max()
    return blurred / highest if highest > 0 else blurred


def without_outliers(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Those of int (N, 2) points that more than 5 % of all lie near to, within .1 of the diagonal.

    A point lies near to itself, as in the authors' code, so that a few points are all kept.
    """
    places, which, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    around = np.empty(len(places), np.int64)
    for k in range(0, len(places), 512):
        apart = places[k : k + 512, None] - places[None]
        near = (apart**2).sum(axis=2) * NEAR**2 < height**2 + width**2
        around[k : k + 512] = near @ counts
    return points[(around > SHARE * len(points))[which]]
