"""Small pictures that compress and fingerprint like photographs."""

import io

import cv2
import numpy as np
from PIL import Image


def picture(width=64, height=48, seed=0):
    """Smooth colours, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(image, form, **options):
    """Bytes of a PIL image or an array in the given format."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(data):
    """PIL's own reading."""
    return Image.open(io.BytesIO(data))
