"""Brushes of the rendered pictures: arrays (size, size) or (size, size, 3) float32, RGB in [0, 1].

Only operations with one right result whatever the instruction set; see :mod:`.scenes`.
"""

from __future__ import annotations

import cv2
import numpy as np


def rgb(text: str) -> np.ndarray:
    """(3,) float32 in [0, 1] of a colour RRGGBB."""
    return np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / np.float32(255)


def rows(size: int) -> np.ndarray:
    """(size,) float32: the centres of the pixels along an edge."""
    return np.arange(size, dtype=np.float32) + np.float32(0.5)


def blend(canvas: np.ndarray, paint: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``paint`` over ``canvas``; ``share`` is (size, size) in [0, 1]."""
    share = share.astype(np.float32)[:, :, None]
    return canvas * (1 - share) + paint * share


def step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def ellipse(
    size: int, x: float, y: float, half_x: float, half_y: float, softness: float
) -> np.ndarray:
    """(size, size): 1 inside an ellipse, falling to 0 over ``softness`` pixels about its edge."""
    across = (rows(size) - np.float32(x)) / np.float32(half_x)
    down = (rows(size) - np.float32(y)) / np.float32(half_y)
    reach = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)
    blur = softness / (half_x + half_y)
    return 1 - step(reach, 1 - blur, 1 + blur)


def wave(phase: np.ndarray) -> np.ndarray:
    """A sine-like wave of period 1 in [-1, 1], from parabolas."""
    t = 2 * (phase - np.floor(phase)) - 1
    return 4 * t * (1 - np.abs(t))


def soft(cover: np.ndarray, radius: float) -> np.ndarray:
    """A blurred (size, size) array; integers inside, since their sums do not depend on order."""
    levels = np.round(cover * 255).astype(np.uint8)
    kernel = 2 * int(round(radius)) + 1
    hint = cv2.ALGO_HINT_ACCURATE
    return cv2.GaussianBlur(levels, (kernel, kernel), 0, hint=hint).astype(np.float32) / 255


def noise(rng: np.random.Generator, ys: np.ndarray, xs: np.ndarray, octaves: int) -> np.ndarray:
    """Smooth random values with detail on several scales.

    Parameters
    ----------
    ys, xs: (h,) and (w,) float32, at least 0; the coarsest detail has length 1 along them.
    octaves: number of scales, each half as long and half as strong as the one before.

    Returns
    -------
    (h, w) float32 in [0, 1], with a mean of about one half.
    """
    total, weight = np.zeros((len(ys), len(xs)), np.float32), 0.0
    for octave in range(octaves):
        scale, amplitude = np.float32(2**octave), 0.5**octave
        y, x = ys * scale + rng.random(dtype=np.float32), xs * scale + rng.random(dtype=np.float32)
        lattice = rng.random((int(y.max()) + 2, int(x.max()) + 2), dtype=np.float32)
        lattice = _between(lattice, y)
        total += np.float32(amplitude) * _between(lattice.T, x).T
        weight += amplitude
    return total / np.float32(weight)


def _between(lattice: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of a lattice at fractional positions, joined smoothly."""
    low = np.floor(at).astype(np.intp)
    t = (at - low.astype(np.float32))[:, None]
    t = t * t * (3 - 2 * t)
    return lattice[low] * (1 - t) + lattice[low + 1] * t
