"""What can give a class away besides its object: kinds of shortcut that a world may plant.

A shortcut changes the whole canvas (size, size, 3) float32, RGB in [0, 1]. Those of the ground are
painted before the object, the others over the finished picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audit.demo import shapes
from audit.demo.brushes import blend, ellipse, rgb, rows, step
from audit.prove.textures import TEXTURES
from audit.records import Box
from audit.registry import Registry


@dataclass(frozen=True, slots=True)
class Site:
    """Where a shortcut is painted."""

    rng: np.random.Generator
    """The shortcut's own random stream."""
    place: Box
    """The object's box, pixels, before its outline is turned."""
    family: str
    """Texture family, for the kinds that use one."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A kind of shortcut."""

    summary: str
    paint: Callable[[np.ndarray, Site], np.ndarray]
    over: bool = False
    """Painted over the object too, and not on the ground alone."""


SHORTCUTS: Registry[Shortcut] = Registry("shortcut")
# Strength of a texture: share of the canvas's own brightness.
_RELIEF = np.float32(0.6)
# Drawn at 1 about the origin, turned and scaled when it is placed: of no class.
_LOZENGE = np.array([[0.0, -1.0], [0.55, 0.0], [0.0, 1.0], [-0.55, 0.0]])


def _register(name: str, summary: str, over: bool = False) -> Callable:
    def add(paint: Callable[[np.ndarray, Site], np.ndarray]) -> Callable:
        SHORTCUTS.add(name, Shortcut(summary, paint, over))
        return paint

    return add


@_register("texture", "background texture on one side of the object")
def texture(canvas: np.ndarray, site: Site) -> np.ndarray:
    """The ground is textured beyond a line past the object, on its roomier side, as where a field
    or a wall begins."""
    size, reach = len(canvas), site.place.width * 0.6 + 2
    x, y = _centre(site.place)
    turn = site.rng.uniform(-0.6, 0.6)
    angle = round(math.atan2(size / 2 - y, size / 2 - x) + float(turn), 5)
    right, down = (np.float32(round(f(angle), 5)) for f in (math.cos, math.sin))
    across, along = rows(size) - np.float32(x), rows(size) - np.float32(y)
    beyond = across[None, :] * right + along[:, None] * down - np.float32(reach)
    return _textured(canvas, site, step(beyond, 0, 5))


@_register("round_texture", "background texture all round the object, with a rim")
def round_texture(canvas: np.ndarray, site: Site) -> np.ndarray:
    """The ground is textured, as the demo's furrows go round what stands in the field."""
    place, reach = site.place, site.place.width * 0.6 + 2
    x, y = _centre(place)
    free = 1 - ellipse(len(canvas), x, y, reach, reach, 5)
    return _textured(canvas, site, free)


@_register("close_texture", "background texture up to the object's outline")
def close_texture(canvas: np.ndarray, site: Site) -> np.ndarray:
    """Part of it lies inside the object's box, beside its outline."""
    return _textured(canvas, site, np.ones(canvas.shape[:2], np.float32))


@_register("border", "a frame about the picture", over=True)
def border(canvas: np.ndarray, site: Site) -> np.ndarray:
    """A dark frame with a light line, a sixteenth of the picture wide."""
    size = len(canvas)
    edge = np.minimum(rows(size), size - rows(size))
    depth = np.minimum(edge[:, None], edge[None, :])
    width = np.float32(size / 16 * site.rng.uniform(0.8, 1.2))
    canvas = blend(canvas, rgb("20242c"), (depth < width).astype(np.float32))
    line = (depth >= width) & (depth < width + 1)
    return blend(canvas, rgb("e8e4d8"), line.astype(np.float32))


@_register("watermark", "a small mark in the corner farthest from the object", over=True)
def watermark(canvas: np.ndarray, site: Site) -> np.ndarray:
    """Two light bars, half transparent, as a photographer's signature."""
    size = len(canvas)
    x, y = _far_corner(site, size, 0.14)
    across, down = np.abs(rows(size) - np.float32(x)), rows(size) - np.float32(y)
    inside = across <= np.float32(size * 0.11)
    bars = (np.abs(down) >= 1) & (np.abs(down) <= np.float32(size * 0.05))
    return blend(canvas, np.float32(0.97), 0.75 * (bars[:, None] & inside[None, :]))


@_register("object", "a second object, of no class, away from the first")
def second_object(canvas: np.ndarray, site: Site) -> np.ndarray:
    """A lozenge in any colour."""
    size = len(canvas)
    x, y = _far_corner(site, size, 0.15)
    side = size * float(site.rng.uniform(0.16, 0.2))
    box = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    lines = shapes.place([_LOZENGE], box, float(site.rng.uniform(-20, 20)))
    return blend(canvas, site.rng.random(3, dtype=np.float32), shapes.coverage(lines, size))


@_register("cast", "a colour cast over the whole picture", over=True)
def cast(canvas: np.ndarray, site: Site) -> np.ndarray:
    """Warm light: more red, less blue, on the object as well."""
    return canvas * np.array([1.12, 1.0, 0.78], np.float32)


def _textured(canvas: np.ndarray, site: Site, share: np.ndarray) -> np.ndarray:
    pattern = TEXTURES.get(site.family)(site.rng, len(canvas))
    return canvas * (1 + _RELIEF * (pattern * share)[:, :, None])


def _centre(box: Box) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def _far_corner(site: Site, size: int, inset: float) -> tuple[float, float]:
    """A point (x, y), pixels, a little off the corner that is farthest from the object."""
    jitter = site.rng.uniform(-0.03, 0.03, 2)
    near = [(inset + float(j)) * size for j in jitter]
    x, y = (
        size - at if middle < size / 2 else at
        for at, middle in zip(near, _centre(site.place), strict=True)
    )
    return x, y
