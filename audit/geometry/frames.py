"""Frames: how an original image lies in a model's input, in numbers an image resizer can follow.

Every resize mode is the same three steps in whole pixels: cut a rectangle out of the original,
resize it, paste it into the model's input. :func:`placement` states those numbers and
:func:`make_frame` derives the view from them, so that pixels and boxes cannot drift apart.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from audit.errors import AuditError, nearest
from audit.records import Box, Frame

RESIZE_MODES = ("stretch", "center_crop", "letterbox")


class Window(NamedTuple):
    """Half-open ranges of pixel rows and columns of the original image's grid."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def rows(self) -> int:
        return max(self.row1 - self.row0, 0)

    @property
    def cols(self) -> int:
        return max(self.col1 - self.col0, 0)


class Placement(NamedTuple):
    """What a resizer does, in whole pixels: cut, resize, paste.

    ``crop`` is (x0, y0, x1, y1) in the original; it is resized to ``resized`` (width, height), and
    its top left corner is pasted at ``offset`` (x, y) of the input, which is ``canvas`` (width,
    height).
    """

    crop: tuple[int, int, int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    canvas: tuple[int, int]

    def reduced(self, times: int) -> Placement:
        """The same for an image of 1/``times`` of the size: its crop to the nearest pixel."""
        x0, y0, x1, y1 = ((value + times // 2) // times for value in self.crop)
        return self._replace(crop=(x0, y0, x1, y1))


def placement(
    width: int,
    height: int,
    input_width: int,
    input_height: int,
    mode: str,
    crop_fraction: float = 1.0,
) -> Placement:
    """Where an image of ``width`` x ``height`` goes in an input of the given size.

    ``stretch``: all of it onto all of the input. ``center_crop``: the largest centred rectangle of
    the input's aspect ratio, shrunk by ``crop_fraction`` (read by this mode alone), onto all of the
    input. ``letterbox``: all of it, aspect ratio kept, in the middle of the input. What is odd is
    rounded half up, and an odd rest goes to the right and below.

    Raises
    ------
    AuditError: unknown mode, a size below 1, or a fraction outside (0, 1].
    """
    sizes = (width, height, input_width, input_height)
    if min(sizes) < 1:
        raise AuditError("image or input has no pixels", expected="sizes >= 1", received=sizes)
    canvas = (input_width, input_height)
    if mode == "stretch":
        return Placement((0, 0, width, height), canvas, (0, 0), canvas)
    if mode == "center_crop":
        return Placement(_centre_crop(*sizes, crop_fraction), canvas, (0, 0), canvas)
    if mode == "letterbox":
        scale = min(input_width / width, input_height / height)
        resized = (_whole(width * scale, input_width), _whole(height * scale, input_height))
        offset = ((input_width - resized[0]) // 2, (input_height - resized[1]) // 2)
        return Placement((0, 0, width, height), resized, offset, canvas)
    raise AuditError(f"unknown resize mode {mode!r}", hint=nearest(mode, RESIZE_MODES))


def _whole(length: float, largest: int) -> int:
    """``length`` rounded half up to whole pixels, at least 1 and at most ``largest``."""
    return min(max(math.floor(length + 0.5), 1), largest)


def _centre_crop(
    width: int, height: int, input_width: int, input_height: int, fraction: float
) -> tuple[int, int, int, int]:
    if not 0 < fraction <= 1:
        raise AuditError("bad crop_fraction", expected="above 0, at most 1", received=fraction)
    scale = min(width / input_width, height / input_height) * fraction
    wide, high = _whole(input_width * scale, width), _whole(input_height * scale, height)
    x0, y0 = (width - wide) // 2, (height - high) // 2
    return (x0, y0, x0 + wide, y0 + high)


def frame_of(placed: Placement, width: int, height: int) -> Frame:
    """The frame of a placement of an image of ``width`` x ``height`` pixels.

    The view's edges are one division each, so they are whole numbers wherever the truth is one
    (``stretch``, ``center_crop``, and the tight axis of ``letterbox``).
    """
    x0, y0, x1, y1 = placed.crop
    wide, high = x1 - x0, y1 - y0
    left, top = placed.offset
    to_right, to_bottom = placed.canvas[0] - left, placed.canvas[1] - top
    view = Box(
        x0 - left * wide / placed.resized[0],
        y0 - top * high / placed.resized[1],
        x0 + to_right * wide / placed.resized[0],
        y0 + to_bottom * high / placed.resized[1],
    )
    return Frame(width, height, view, *placed.canvas)


@lru_cache(maxsize=256)
def make_frame(
    width: int,
    height: int,
    input_width: int,
    input_height: int,
    mode: str,
    crop_fraction: float = 1.0,
) -> Frame:
    """:func:`frame_of` the :func:`placement` with the same arguments; same errors."""
    placed = placement(width, height, input_width, input_height, mode, crop_fraction)
    return frame_of(placed, width, height)


def box_to_input(frame: Frame, box: Box) -> Box:
    """A box of the original in pixels of the model's input; not clipped."""
    fx, fy = frame.input_width / frame.view.width, frame.input_height / frame.view.height
    return Box(
        (box.x0 - frame.view.x0) * fx,
        (box.y0 - frame.view.y0) * fy,
        (box.x1 - frame.view.x0) * fx,
        (box.y1 - frame.view.y0) * fy,
    )


def box_to_original(frame: Frame, box: Box) -> Box:
    """A box in pixels of the model's input, in pixels of the original; not clipped."""
    fx, fy = frame.view.width / frame.input_width, frame.view.height / frame.input_height
    return Box(
        frame.view.x0 + box.x0 * fx,
        frame.view.y0 + box.y0 * fy,
        frame.view.x0 + box.x1 * fx,
        frame.view.y0 + box.y1 * fy,
    )


def normalised_to_original(frame: Frame, uv: np.ndarray) -> np.ndarray:
    """(k, 2) points (u, v), fractions of the input's width and height, as original pixels."""
    origin = (frame.view.x0, frame.view.y0)
    return np.asarray(uv, dtype=np.float64) * (frame.view.width, frame.view.height) + origin


def visible_box(frame: Frame) -> Box | None:
    """The part of the image that reaches the model; None for a frame that shows none of it."""
    x0, y0 = max(frame.view.x0, 0.0), max(frame.view.y0, 0.0)
    x1, y1 = min(frame.view.x1, float(frame.width)), min(frame.view.y1, float(frame.height))
    return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


@lru_cache(maxsize=256)
def canvas_window(frame: Frame) -> Window:
    """Pixels of the original's grid, prolonged beyond the image, whose centres lie in the view."""
    view = frame.view
    return Window(*(math.ceil(edge - 0.5) for edge in (view.y0, view.y1, view.x0, view.x1)))


@lru_cache(maxsize=256)
def visible_window(frame: Frame) -> Window:
    """V before ignored regions are taken out: the image's pixels whose centres lie in the view."""
    row0, row1, col0, col1 = canvas_window(frame)
    return Window(max(row0, 0), min(row1, frame.height), max(col0, 0), min(col1, frame.width))
