"""Pixels of an image file, as uint8 RGB, upright."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from PIL import Image

from audit.geometry import Placement
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


# Parts of its size that a JPEG can be decoded at, since its blocks are sums of eight by eight waves.
# The bits alone: the names with COLOR in them bring the order BGR along.
REDUCED = {
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
# Pixels that are left for each that is asked for: with less, the rest of the way down shows.
MARGIN = 2


def decode(data: bytes, header: ImageHeader, channels: int = 3, times: int = 1) -> np.ndarray:
    """Upright uint8 pixels (height, width, channels); 3 channels are RGB, 1 is grey (Rec. 601).

    ``times``: see :func:`reduction`; sizes are divided by it and rounded up.

    Palettes are looked up, alpha is dropped, CMYK is converted without a colour profile, and 16-bit
    values are scaled to 8 bits: what the usual training pipelines do.

    Raises
    ------
    UnreadableImage: truncated, or of a kind that has no defined 8-bit reading.
    """
    # OpenCV's decoder gives the same pixels as PIL's in two thirds of the time (a test compares
    # them) and, from version 5 on, refuses a truncated file too; it handles the plain case.
    pixels = _decode_jpeg(data, times) if _is_plain(header) else _decode_any(data)
    if pixels.shape[:2] != (-(-header.stored_height // times), -(-header.stored_width // times)):
        raise UnreadableImage("truncated_image", "its size is not that of its header")
    upright = np.ascontiguousarray(_UPRIGHT[header.orientation](pixels))
    return upright if channels == 3 else cv2.cvtColor(upright, cv2.COLOR_RGB2GRAY)[:, :, None]


def reduction(header: ImageHeader, placement: Placement) -> int:
    """1, or 2, 4 or 8: an image of that part of the size still has :data:`MARGIN` times the pixels
    that ``placement`` asks for, and its format can be decoded at it.

    A part of a pixel at the far edges becomes a whole one, and where the image is turned or
    mirrored that would move all of it: such an image is reduced where no part is left over.
    """
    x0, y0, x1, y1 = placement.crop
    width, height = placement.resized
    room = min((x1 - x0) / width, (y1 - y0) / height) / MARGIN
    return max((t for t in REDUCED if t <= room and _can_be_reduced(header, t)), default=1)


def _can_be_reduced(header: ImageHeader, times: int) -> bool:
    whole = header.stored_width % times == header.stored_height % times == 0
    return _is_plain(header) and (header.orientation == 1 or whole)


def _is_plain(header: ImageHeader) -> bool:
    return header.format == "JPEG" and header.mode in ("RGB", "L")


def _decode_jpeg(data: bytes, times: int) -> np.ndarray:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION | REDUCED.get(times, 0)
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
