"""What a fill is, the registry of them, and how one is laid over a part of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from audit.geometry import Window
from audit.registry import Registry

Kind = Literal["colour", "content"]
DonorOf = Literal["same", "other"]


class Picture(NamedTuple):
    """An image as the model sees it, in pixels of the model's input."""

    pixels: np.ndarray
    """uint8 (H, W, C)."""
    visible: Window
    """The rows and columns that show the image; around them is padding."""
    objects: np.ndarray
    """bool (H, W): every annotated object, of any class."""


class Donor(NamedTuple):
    """Another image, cut and resized to what is visible of the one that is changed."""

    pixels: np.ndarray
    """uint8 (h, w, C)."""
    objects: np.ndarray
    """bool (h, w): its own objects, which must not come along."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A registered fill.

    ``function(pixels, region, donor)`` takes what is visible of an image, uint8 (h, w, C), the bool
    (h, w) region to be filled, and a :class:`Donor` or None; it gives uint8 (h, w, C), of which the
    region alone is used.
    """

    name: str
    summary: str
    source: str
    kind: Kind
    """``colour``: no structure is put in; ``content``: something that could be there is."""
    donor: DonorOf | None
    """Class of the image that gives the content: the same as the object's, another, or none."""
    function: Callable[[np.ndarray, np.ndarray, Donor | None], np.ndarray]


FILLS: Registry[Fill] = Registry("fill")


def fill(
    name: str, summary: str, source: str, *, kind: Kind, donor: DonorOf | None = None
) -> Callable:
    """Register the decorated function as the fill ``name``; the function itself is returned."""

    def add(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        FILLS.add(name, Fill(name, summary, source, kind, donor, function))
        return function

    return add


def fill_region(
    chosen: Fill, picture: Picture, region: np.ndarray, donor: Picture | None = None
) -> np.ndarray:
    """The image with a bool (H, W) region filled, uint8 (H, W, C); padding and all else stay.

    Raises
    ------
    ValueError: the fill needs a donor and none is given.
    """
    if chosen.donor is not None and donor is None:
        raise ValueError(f"{chosen.name}: expected a donor image")
    rows, cols = _slices(picture.visible)
    pixels, region = picture.pixels[rows, cols], region[rows, cols]
    out = picture.pixels.copy()
    if region.any():
        given = _donor(donor, region.shape) if donor is not None else None
        out[rows, cols][region] = chosen.function(pixels, region, given)[region]
    return out


def _donor(picture: Picture, shape: tuple[int, int]) -> Donor:
    """What is visible of a donor, at ``shape`` (h, w)."""
    rows, cols = _slices(picture.visible)
    pixels, objects = picture.pixels[rows, cols], picture.objects[rows, cols]
    if objects.shape == shape:
        return Donor(pixels, objects)
    size = (shape[1], shape[0])
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    resized = resized.reshape(*shape, pixels.shape[2])  # OpenCV drops a single channel
    nearest = cv2.resize(objects.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return Donor(resized, nearest > 0)


def _slices(window: Window) -> tuple[slice, slice]:
    return slice(window.row0, window.row1), slice(window.col0, window.col1)
