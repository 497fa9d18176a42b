"""The pointing game, and the three chance levels that are known from the record alone.

Source: Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop" (a hit is a maximum
within 15 pixels of the object, on the original image). Here the distance is continuous, from the
point to the closed box, inclusive; TorchRay's count is :mod:`audit.metrics.pointing_game_torchray`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from audit.geometry import (
    clip_boxes,
    dilated_counts,
    inside_any,
    nearest_distance,
    normalised_to_original,
    visible_box,
)
from audit.geometry.masks import DISTANCE_SLACK
from audit.metrics.base import Column, metric
from audit.metrics.scene import EVEN, Scene
from audit.records import Frame

PAPER_TOLERANCE = 15.0
IN_PADDING = "in_padding"
IN_IGNORED = "in_ignored"


@metric(
    "pointing_game",
    summary="Whether the heatmap's maximum lies in a reference box, and how likely by chance.",
    citation="Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop",
    columns=(
        Column("pointing_hit", "bool", "maximum within the configured tolerance of a box"),
        Column("pointing_hit_0px", "bool", "maximum in a box"),
        Column("pointing_hit_15px", "bool", "maximum within 15 pixels of a box"),
        Column("point_x", "float64", "maximum, pixels of the original; outside it when in padding"),
        Column("point_y", "float64", "maximum, pixels of the original; outside it when in padding"),
        Column("pointing_distance", "float64", "pixels from it to the nearest box; 0 inside"),
        Column("pointing_tied", "bool", "several native cells were as high"),
        Column("pointing_note", "str", "in_padding, in_ignored, even, or empty"),
        Column("pointing_chance", "float64", "share of V within the configured tolerance of a box"),
        Column("pointing_chance_15px", "float64", "share of V within 15 pixels of a box"),
        Column("pointing_chance_cells", "float64", "share of native cell centres that would hit"),
        Column("pointing_center", "bool", "hit if the point were the image's centre"),
    ),
)
def pointing_game(scene: Scene) -> dict[str, Any]:
    """Hits, the point, and chance.

    A maximum in padding is a miss at any tolerance. One in an ignored region, and in no reference
    box, is in no pixel that counts: the hits are empty and the note says why; so for the centre,
    and for cells, which then leave the share of cells altogether. Cells in padding stay in it as
    misses, since a map can point there. In both the distance is empty. An even map has no maximum:
    its hits are empty, and what it is expected to hit is the chance.
    """
    points = np.concatenate((scene.point[None], _image_centre(scene.frame), scene.cell_centres))
    distance = _scored_distance(scene.frame, scene.boxes, scene.ignored, points)
    tolerances = (scene.settings.tolerance, PAPER_TOLERANCE)
    chance, chance_15px = dilated_counts(scene.tiling, scene.boxes, tolerances)
    of_point, of_centre = distance[:2].tolist()
    return {
        "pointing_hit": _hit(of_point, scene.settings.tolerance),
        "pointing_hit_0px": _hit(of_point, 0.0),
        "pointing_hit_15px": _hit(of_point, PAPER_TOLERANCE),
        "point_x": None if scene.even else float(scene.point[0]),
        "point_y": None if scene.even else float(scene.point[1]),
        "pointing_distance": of_point if math.isfinite(of_point) else None,
        "pointing_tied": None if scene.even else bool(scene.peak.tied),
        "pointing_note": EVEN if scene.even else _note(of_point),
        "pointing_chance": chance / scene.n_view,
        "pointing_chance_15px": chance_15px / scene.n_view,
        "pointing_chance_cells": _share_of_hits(distance[2:], scene.settings.tolerance),
        "pointing_center": _hit(of_centre, scene.settings.tolerance),
    }


def pointing_hits(
    frame: Frame, boxes: np.ndarray, ignored: np.ndarray, uv: np.ndarray, tolerance: float
) -> np.ndarray:
    """What other points would score on a record: for baselines such as other images' maxima.

    ``uv`` (k, 2) are normalised points as :func:`audit.heatmaps.maximum` gives them; ``boxes``
    (n, 4) and ``ignored`` (m, 4) in pixels of the original, not yet clipped. Returns float64 (k,):
    1 hit, 0 miss, NaN in an ignored region. NaN everywhere where no box is in view.
    """
    visible = visible_box(frame)
    seen = clip_boxes(boxes, visible) if visible else boxes[:0]
    if not len(seen):
        return np.full(len(uv), np.nan)
    hidden = clip_boxes(ignored, visible)
    points = normalised_to_original(frame, uv)
    return _hits(_scored_distance(frame, seen, hidden, points), tolerance)


def _image_centre(frame: Frame) -> np.ndarray:
    return np.array([[frame.width / 2.0, frame.height / 2.0]])


def _scored_distance(
    frame: Frame, boxes: np.ndarray, ignored: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Distance of (k, 2) points to the nearest box; inf in padding, NaN in ignored regions."""
    distance = nearest_distance(points, boxes)
    distance[_outside(frame, points)] = np.inf
    if len(ignored):
        distance[(distance > DISTANCE_SLACK) & inside_any(points, ignored)] = np.nan
    return distance


def _outside(frame: Frame, points: np.ndarray) -> np.ndarray:
    return ((points < 0) | (points >= (frame.width, frame.height))).any(axis=1)


def _hits(distance: np.ndarray, tolerance: float) -> np.ndarray:
    """1.0 or 0.0 for each distance, NaN for NaN; rounding at a box's edge does not decide."""
    return np.where(np.isnan(distance), np.nan, distance <= tolerance + DISTANCE_SLACK)


def _hit(distance: float, tolerance: float) -> bool | None:
    return None if math.isnan(distance) else bool(distance <= tolerance + DISTANCE_SLACK)


def _share_of_hits(distance: np.ndarray, tolerance: float) -> float | None:
    seen = distance[~np.isnan(distance)]
    if not len(seen):
        return None
    return float(np.count_nonzero(seen <= tolerance + DISTANCE_SLACK) / len(seen))


def _note(distance: float) -> str:
    if math.isnan(distance):
        return IN_IGNORED
    return IN_PADDING if math.isinf(distance) else ""
