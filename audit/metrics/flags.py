"""The background-focused rule of one record, and the size that eligibility asks for."""

from __future__ import annotations

import math

import numpy as np

from audit.records import Frame


def background_focused(
    pointing_hit: bool | None, energy_skill: float | None, min_energy_skill: float = 0.1
) -> bool | None:
    """Whether the maximum misses every reference box and the energy skill is below the minimum.

    Three-valued. None when the skill is undefined (boxes so large that it cannot tell, or no energy
    in view), and when the pointing game is (the maximum lies in an ignored region): were such a
    record called False whenever its skill is high, it could lower a class's rate, never raise it.
    """
    if pointing_hit is None or energy_skill is None or math.isnan(energy_skill):
        return None
    return bool(not pointing_hit and energy_skill < min_energy_skill)


def largest_box_cells(boxes: np.ndarray, frame: Frame, h: int, w: int) -> float:
    """Area of the largest of (n, 4) boxes, in native cells of an h x w map; 0 for none.

    Boxes are those in view, cut to it. Below 1 the map is too coarse to tell the box apart.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return float(areas.max(initial=0.0)) * (h * w) / frame.view.area
