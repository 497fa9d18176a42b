"""The six silhouettes of the demo, as polygons, and their placing in a picture.

A silhouette is a list of closed outlines in its own unit coordinates; an outline inside another is
a hole. Angles and outlines are rounded to six decimals, since ``sin`` and ``cos`` may differ in the
last bit from one machine to the next and the pictures must not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import cv2
import numpy as np

from audit.errors import AuditError, nearest
from audit.records import Box

# Outlines are drawn this much larger than the picture and averaged down, for smooth edges.
SUPERSAMPLING = 4
# Fractional bits of the vertex coordinates that OpenCV's integer rasteriser takes.
_SHIFT = 4


@functools.cache
def outlines(class_name: str) -> tuple[np.ndarray, ...]:
    """The outlines of a class: arrays (n, 2) of x, y, float64, about the origin, radius about 1."""
    if class_name not in _SILHOUETTES:
        raise AuditError(
            "no such demo class",
            received=class_name,
            hint=nearest(class_name, _SILHOUETTES),
        )
    return tuple(np.round(np.array(line, float), 6) for line in _SILHOUETTES[class_name]())


def place(lines: Sequence[np.ndarray], box: Box, rotation: float) -> list[np.ndarray]:
    """Turn outlines and fit them into a box.

    Parameters
    ----------
    lines: arrays (n, 2), unit coordinates.
    box: its centre and its area, in pixels, are kept; its sides follow the turned outlines.
    rotation: degrees, clockwise on the screen.

    Returns
    -------
    Arrays (n, 2) of x, y in pixels, float64, whose tight box has the area and centre of ``box``.
    """
    angle = math.radians(rotation)
    cos, sin = round(math.cos(angle), 6), round(math.sin(angle), 6)
    turned = [
        np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        for x, y in (line.T for line in lines)
    ]
    low = np.min([line.min(axis=0) for line in turned], axis=0)
    high = np.max([line.max(axis=0) for line in turned], axis=0)
    scale = math.sqrt(box.area / float((high - low)[0] * (high - low)[1]))
    centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    return [(line - (low + high) / 2) * scale + centre for line in turned]


def coverage(lines: Sequence[np.ndarray], size: int) -> np.ndarray:
    """How much of each pixel the outlines cover: (size, size) float32 in [0, 1]."""
    large = np.zeros((size * SUPERSAMPLING,) * 2, np.uint8)
    # OpenCV's vertex (0, 0) is the centre of the first pixel, ours its corner: half a pixel less.
    factor = SUPERSAMPLING * (1 << _SHIFT)
    vertices = [
        np.round(line * factor - (1 << _SHIFT) / 2).astype(np.int32)[:, None, :] for line in lines
    ]
    cv2.fillPoly(large, vertices, 1, shift=_SHIFT)
    blocks = large.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING).astype(np.int32)
    return blocks.sum(axis=(1, 3)).astype(np.float32) / np.float32(SUPERSAMPLING**2)


def tight_box(covered: np.ndarray) -> Box:
    """The smallest box, whole pixels, around every true pixel of a (H, W) bool array."""
    rows = np.flatnonzero(covered.any(axis=1))
    columns = np.flatnonzero(covered.any(axis=0))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def _circle(radius: float, points: int = 48) -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / points for i in range(points)]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _star() -> list:
    radii = [1.0, 0.42] * 5
    angles = [-math.pi / 2 + math.pi * i / 5 for i in range(10)]
    return [[(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]]


def _ring() -> list:
    return [_circle(1.0), _circle(0.52)]


def _cross() -> list:
    a, b = 0.3, 1.0
    corner = [(a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b)]
    return [corner + [(-x, -y) for x, y in corner]]


def _triangle() -> list:
    return [[(0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)]]


def _crescent() -> list:
    # Two arcs that meet in the cusps: the outer circle's back, the inner circle's way home.
    shift, inner = 0.48, 0.8
    x = (1 + shift**2 - inner**2) / (2 * shift)
    start, end = math.acos(x), math.acos((x - shift) / inner)
    steps = [i / 40 for i in range(41)]
    outer = [start + s * (2 * math.pi - 2 * start) for s in steps]
    back = [(2 * math.pi - end) - s * (2 * math.pi - 2 * end) for s in steps[1:-1]]
    return [
        [(math.cos(a), math.sin(a)) for a in outer]
        + [(shift + inner * math.cos(a), inner * math.sin(a)) for a in back]
    ]


def _heart() -> list:
    angles = [2 * math.pi * i / 60 for i in range(60)]
    return [
        [
            (
                math.sin(a) ** 3,
                -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a))
                / 16,
            )
            for a in angles
        ]
    ]


_SILHOUETTES = {
    "crescent": _crescent,
    "cross": _cross,
    "heart": _heart,
    "ring": _ring,
    "star": _star,
    "triangle": _triangle,
}
CLASSES = tuple(sorted(_SILHOUETTES))
"""The demo's class names, in the order of the model's outputs."""
