"""Pixels of an image file, as uint8 RGB, upright."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from PIL import Image

from audit.images.header import ImageHeader, UnreadableImage, open_image, orientation_of

# How stored pixels are turned upright, by EXIF orientation.
_UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}
# The orientation that undoes another one; the rest undo themselves.
_UNDONE_BY = {6: 8, 8: 6}


def decode(data: bytes, header: ImageHeader, channels: int = 3) -> np.ndarray:
    """Upright uint8 pixels (height, width, channels); 3 channels are RGB, 1 is grey (Rec. 601).

    Palettes are looked up, alpha is dropped, CMYK is converted without a colour profile, and 16-bit
    values are scaled to 8 bits: what the usual training pipelines do.

    Raises
    ------
    UnreadableImage: truncated, or of a kind that has no defined 8-bit reading.
    """
    # OpenCV's decoder gives the same pixels as PIL's in two thirds of the time (a test compares
    # them) and, from version 5 on, refuses a truncated file too; it handles the plain case.
    plain = header.format == "JPEG" and header.mode in ("RGB", "L")
    pixels = _decode_jpeg(data) if plain else _decode_any(data)
    if pixels.shape[:2] != (header.stored_height, header.stored_width):
        raise UnreadableImage("truncated_image", "its size is not that of its header")
    upright = np.ascontiguousarray(_UPRIGHT[header.orientation](pixels))
    return upright if channels == 3 else cv2.cvtColor(upright, cv2.COLOR_RGB2GRAY)[:, :, None]


def _decode_jpeg(data: bytes) -> np.ndarray:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableImage("truncated_image", error.err or "cannot be decoded") from None
    if pixels is None:
        raise UnreadableImage("truncated_image", "the file ends before the picture does")
    return pixels


def _decode_any(data: bytes) -> np.ndarray:
    image = open_image(data)
    # PIL turns TIFF upright by itself, and no other format.
    turned = orientation_of(image) if image.format == "TIFF" else 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            pixels = np.asarray(_eight_bit_rgb(image))
    except UnreadableImage:
        raise
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, struct.error ...
        raise UnreadableImage("truncated_image", str(error) or type(error).__name__) from None
    return _UPRIGHT[_UNDONE_BY.get(turned, turned)](pixels)


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableImage("unsupported_mode", "32-bit pixels have no known range")
        # 16-bit grey: PIL would clip at 255. 257 maps 65535 to 255.
        image = Image.fromarray(np.rint(values / 257.0).astype(np.uint8))
    elif image.mode == "F":
        raise UnreadableImage("unsupported_mode", "floating-point pixels have no known range")
    return image.convert("RGB")
