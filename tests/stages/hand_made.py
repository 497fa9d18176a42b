"""Gathered records made by hand: a 4x4 map on a 40x40 picture, whose box is the top left quarter."""

import math

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.stages.gather import Arrays, Boxes, Gathered, MapGroup, method_layers

CONFIG = Config.model_validate(
    {
        "audit": {"name": "t"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a", "images": "i"},
        "flags": {"min_eligible": 2},
    }
)
SIDE = 4  # a 4x4 map on a 40x40 picture: cells of ten pixels


def distance_of(cell):
    """From the centre of a cell to the box, pixels."""
    y, x = ((k + 0.5) * 10 for k in cell)
    return math.hypot(max(x - 20, 0), max(y - 20, 0))


def record(file_name, target, hit=True, cell=(0, 0), **change):
    """A record whose box is the top left quarter and whose map is one bright cell (row, column)."""
    inside = cell[0] < 2 and cell[1] < 2
    weights = np.zeros((SIDE, SIDE), np.float32)
    weights[:2, :2] = 100
    heatmap = np.zeros((SIDE, SIDE), np.float32)
    heatmap[cell] = 1
    return {
        "file_name": file_name, "target_class": target, "method": "gradcam", "layer": "out",
        "reference": "class", "status": "scored", "correct": True,
        "pointing_note": "", "pointing_hit": hit, "pointing_hit_15px": hit, "pointing_chance": 0.25,
        "pointing_chance_cells": 0.25, "pointing_center": False, "mask_iou": 0.2, "box_iou": 0.4,
        "localisation_correct": False, "energy_in_box": float(inside), "energy_ceiling": 1.0,
        "energy_skill": 1.0 if inside else -1 / 3, "area_fraction": 0.25, "eligible": True,
        "background_focused": not inside, "ineligible_reason": None,
        "pointing_distance": distance_of(cell), "width": 40, "height": 40,
        "point_x": (cell[1] + 0.5) * 10, "point_y": (cell[0] + 0.5) * 10,
        "heatmap": heatmap.ravel(), "weights": weights.ravel(), "sweep": (0.2, 0.3),
        "box_sweep": (0.4, 0.6),
    } | change  # fmt: skip


UNSCORED = {
    "status": "unscored", "eligible": False,
    **dict.fromkeys(("pointing_hit", "pointing_hit_15px", "pointing_center", "background_focused")),
    **dict.fromkeys(("localisation_correct", "mask_iou", "box_iou", "energy_in_box")),
    **dict.fromkeys(("energy_ceiling", "energy_skill", "pointing_chance", "area_fraction")),
    "sweep": None, "box_sweep": None, "weights": np.full(SIDE * SIDE, np.nan, np.float32),
}  # fmt: skip


def gathered(*rows):
    rows = [dict(r) for r in rows]
    apart = {k: [r.pop(k) for r in rows] for k in ("heatmap", "weights", "sweep", "box_sweep")}
    frame = pd.DataFrame(rows)
    truth = ("correct", "pointing_hit", "pointing_hit_15px", "pointing_center")
    truth += ("background_focused", "localisation_correct")
    frame = frame.astype(dict.fromkeys(truth, "boolean"))
    frame["cluster"] = pd.factorize(frame["file_name"])[0]
    return Gathered(frame, arrays(frame, apart), pd.DataFrame(), pd.DataFrame())


def arrays(frame, apart):
    """What gather makes of maps, weights and sweeps; unscored records have no map."""
    maps, places = {}, np.full(len(frame), -1)
    for method, layer in method_layers(frame):
        mine = (frame["method"] == method) & (frame["layer"] == layer)
        rows = np.flatnonzero(mine & (frame["status"] == "scored"))
        places[rows] = np.arange(len(rows))
        heatmaps, weights = (
            np.array([apart[k][i] for i in rows], np.float32).reshape(len(rows), SIDE * SIDE)
            for k in ("heatmap", "weights")
        )
        maps[method, layer] = MapGroup(
            (SIDE, SIDE),
            (SIDE, SIDE),
            heatmaps.astype(np.float16),
            np.ones(len(rows), np.float32),
            weights,
            np.full_like(weights, 100),
        )
    sweeps = {
        f"{name}_sweep": np.array([(np.nan, np.nan) if v is None else v for v in apart[key]])
        for name, key in (("mask_iou", "sweep"), ("box_iou", "box_sweep"))
    }
    views = np.tile([0.0, 0, 40, 40], (len(frame), 1))
    boxes = Boxes(np.tile([0.0, 0, 20, 20], (len(frame), 1)), np.arange(len(frame) + 1))
    return Arrays(maps, places, views, boxes, sweeps)
