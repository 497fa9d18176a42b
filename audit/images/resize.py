"""From upright pixels to the model's input size, by the numbers of a placement."""

from __future__ import annotations

import cv2
import numpy as np

from audit.geometry import Placement

INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def fit(
    pixels: np.ndarray, placement: Placement, interpolation: str, pad_value: int = 0
) -> np.ndarray:
    """Cut, resize and paste uint8 pixels (H, W, C) into the model's input, uint8 (h, w, C).

    ``pad_value`` fills what the image does not cover.
    """
    x0, y0, x1, y1 = placement.crop
    cut = pixels[y0:y1, x0:x1]
    resized = cv2.resize(cut, placement.resized, interpolation=INTERPOLATION[interpolation])
    resized = resized.reshape(*resized.shape[:2], pixels.shape[2])  # OpenCV drops a single channel
    if placement.resized == placement.canvas:
        return resized
    width, height = placement.canvas
    canvas = np.full((height, width, pixels.shape[2]), pad_value, np.uint8)
    x, y = placement.offset
    canvas[y : y + resized.shape[0], x : x + resized.shape[1]] = resized
    return canvas
