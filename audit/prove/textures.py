"""Families of background texture, split into those for choosing the audit's defaults and the rest.

A texture is drawn anew for each picture (phase, scale, direction), so that what gives the class away
is the family and not a fixed pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from audit.demo.brushes import noise, rows, wave
from audit.registry import Registry

Texture = Callable[[np.random.Generator, int], np.ndarray]
"""(random stream, size) -> (size, size) float32 in [-1, 1]."""

TEXTURES: Registry[Texture] = Registry("texture")
CHOOSING = ("stripes", "checks", "spots", "ripples")
"""Families on which the audit's defaults may be chosen."""
HELD_OUT = ("bricks", "weave", "chevrons", "flecks")
"""Families that only the measurement sees."""


@TEXTURES.register("stripes")
def stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Straight parallel bands."""
    u, _ = _turned(rng, size, rng.uniform(5.5, 7.5))
    return wave(u)


@TEXTURES.register("checks")
def checks(rng: np.random.Generator, size: int) -> np.ndarray:
    """A chess board, seen at a slant."""
    u, v = _turned(rng, size, rng.uniform(9, 11))
    return _sign(wave(u) * wave(v))


@TEXTURES.register("spots")
def spots(rng: np.random.Generator, size: int) -> np.ndarray:
    """Round dots on a lattice."""
    u, v = _turned(rng, size, rng.uniform(7, 9))
    return _sign(np.float32(0.1) - _from_centre(u) ** 2 - _from_centre(v) ** 2)


@TEXTURES.register("ripples")
def ripples(rng: np.random.Generator, size: int) -> np.ndarray:
    """Rings about a point that lies somewhere in the picture or beside it."""
    x, y = rng.uniform(-0.3, 1.3, 2) * size
    across, down = rows(size) - np.float32(x), rows(size) - np.float32(y)
    radius = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    return wave(radius / np.float32(rng.uniform(6, 8)) + np.float32(rng.random()))


@TEXTURES.register("bricks")
def bricks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Courses of bricks with light joints."""
    u, v = _turned(rng, size, rng.uniform(7, 8.5), tilt=0.3)
    row = np.floor(v)
    along = u / 2 + np.float32(0.5) * (row - 2 * np.floor(row / 2))
    joint = np.maximum(np.abs(_from_centre(v)), np.abs(_from_centre(along)) * 2 - np.float32(0.5))
    return _sign(joint - np.float32(0.36))


@TEXTURES.register("weave")
def weave(rng: np.random.Generator, size: int) -> np.ndarray:
    """Strands that go over and under each other."""
    u, v = _turned(rng, size, rng.uniform(9, 11))
    turn = np.floor(u) + np.floor(v)
    over = turn - 2 * np.floor(turn / 2)
    return over * wave(u * 3) + (1 - over) * wave(v * 3)


@TEXTURES.register("chevrons")
def chevrons(rng: np.random.Generator, size: int) -> np.ndarray:
    """Zigzag bands."""
    u, v = _turned(rng, size, rng.uniform(6.5, 8.5))
    return _sign(wave(u + np.abs(_from_centre(v / 2)) * 2))


@TEXTURES.register("flecks")
def flecks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Sharp blotches of irregular outline."""
    at = rows(size) / np.float32(rng.uniform(3.0, 3.8))
    return _sign(noise(rng, at, at, octaves=1) - np.float32(0.5))


def _turned(
    rng: np.random.Generator, size: int, period: float, tilt: float = math.pi
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in periods along two axes at right angles, turned and shifted at random."""
    angle = float(rng.uniform(-tilt, tilt))
    # Rounded: the last bit of a cosine differs between machines, and the pictures must not.
    cos, sin = np.float32(round(math.cos(angle), 5)), np.float32(round(math.sin(angle), 5))
    x, y = (rows(size) / np.float32(period))[None, :], (rows(size) / np.float32(period))[:, None]
    shift = rng.random(2, dtype=np.float32)
    return x * cos - y * sin + shift[0], x * sin + y * cos + shift[1]


def _from_centre(values: np.ndarray) -> np.ndarray:
    """Distance, signed, to the middle of the period: in [-.5, .5)."""
    return values - np.floor(values) - np.float32(0.5)


def _sign(values: np.ndarray) -> np.ndarray:
    """-1 or 1."""
    return np.where(values > 0, np.float32(1), np.float32(-1))
