"""The surroundings, smeared over what is removed."""

from __future__ import annotations

import cv2
import numpy as np

from audit.fills.base import Donor, fill

# Standard deviation of the blur over the shorter side: 10 pixels at 224, as in the paper, still
# shows large objects; twice that shows none.
SPREAD = 0.09
# Below this weight nothing that is kept is near enough to be smeared.
LEAST_WEIGHT = 1e-4


@fill(
    "blur",
    "what is kept, blurred over what is removed",
    "Fong and Vedaldi 2017, Interpretable Explanations of Black Boxes by Meaningful Perturbation, "
    "ICCV; as a normalised convolution, Knutsson and Westin 1993, CVPR",
    kind="colour",
)
def blur(pixels: np.ndarray, region: np.ndarray, donor: Donor | None) -> np.ndarray:
    """Gaussian mean of the kept pixels around; the mean of all kept ones where none is near.

    A blur of the image itself would leave the removed part's own colours behind.
    """
    keep = (~region).astype(np.float32)
    kept = pixels * keep[:, :, None]
    sigma = SPREAD * min(region.shape)
    weight = _gaussian(keep, sigma)[:, :, None]
    summed = _gaussian(kept, sigma).reshape(pixels.shape)
    far = kept.sum(axis=(0, 1), dtype=np.float64) / max(keep.sum(dtype=np.float64), 1)
    near = weight > LEAST_WEIGHT
    values = np.where(near, summed / np.where(near, weight, 1), far)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
