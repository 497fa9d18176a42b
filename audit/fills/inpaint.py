"""What the surroundings let one expect."""

from __future__ import annotations

import cv2
import numpy as np

from audit.fills.base import Donor, fill

# Pixels around a point that decide its value.
RADIUS = 3


@fill(
    "inpaint",
    "the surroundings continued over what is removed",
    "Telea 2004, An Image Inpainting Technique Based on the Fast Marching Method, Journal of "
    "Graphics Tools 9(1)",
    kind="content",
)
def inpaint(pixels: np.ndarray, region: np.ndarray, donor: Donor | None) -> np.ndarray:
    """Telea's inpainting from what is kept; with nothing kept the pixels are as they were."""
    return inpainted(pixels, region)


def inpainted(pixels: np.ndarray, region: np.ndarray) -> np.ndarray:
    """uint8 (h, w, C) with a bool (h, w) region inpainted."""
    if region.all() or not region.any():
        return pixels
    flat = np.ascontiguousarray(pixels)
    mask = region.astype(np.uint8)
    return cv2.inpaint(flat, mask, RADIUS, cv2.INPAINT_TELEA).reshape(pixels.shape)
