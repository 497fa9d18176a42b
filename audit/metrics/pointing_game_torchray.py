"""TorchRay's count of the pointing game, for comparison with published tables.

Source: Fong et al. 2019, TorchRay, ``torchray.benchmark.pointing_game``. It counts pixel indices: a
hit is a pixel of M whose index differs from the point's by dx, dy with ``dx^2 + dy^2 < 15^2``,
strictly. Here the point is the pixel that holds the native maximum; TorchRay takes the first
largest pixel of the upsampled map, which can be another one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from audit.geometry import pixel_ranges
from audit.metrics.base import Column, metric
from audit.metrics.pointing_game import IN_PADDING, PAPER_TOLERANCE, pointing_game
from audit.metrics.scene import Scene


@metric(
    "pointing_game_torchray",
    summary="The pointing game as TorchRay counts it: pixel indices, 15 px, strict.",
    citation="Fong et al. 2019, TorchRay, benchmark.pointing_game",
    columns=(Column("pointing_hit_torchray", "bool", "a pixel of a box at d^2 < 15^2"),),
    default=False,
)
def pointing_game_torchray(scene: Scene) -> dict[str, Any]:
    """Empty and missed under the same conditions as :func:`pointing_game` (ignored, even, padding)."""
    note = pointing_game(scene)["pointing_note"]
    if note:
        return {"pointing_hit_torchray": False if note == IN_PADDING else None}
    x, y = (math.floor(v) for v in scene.point)
    return {"pointing_hit_torchray": torchray_hit(x, y, pixel_ranges(scene.boxes))}


def torchray_hit(x: int, y: int, ranges: np.ndarray, tolerance: float = PAPER_TOLERANCE) -> bool:
    """Whether any of (n, 4) pixel ranges has a pixel strictly nearer than tolerance to (x, y).

    ``ranges``, half-open: first column, first row, end column, end row; some may be empty.
    """
    ranges = ranges[(ranges[:, 2:] > ranges[:, :2]).all(axis=1)]
    dx = np.clip(x, ranges[:, 0], ranges[:, 2] - 1) - x
    dy = np.clip(y, ranges[:, 1], ranges[:, 3] - 1) - y
    return bool((dx * dx + dy * dy < tolerance * tolerance).any())
