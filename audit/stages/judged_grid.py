"""The grid on which methods that see pixels are judged: that of the default layer.

A fine map has a higher ceiling and a sharper maximum than a coarse one of the same evidence. So that
the numbers of the rule mean the same for all methods, what a verdict rests on is taken from the map
averaged over the cells of the layer that Grad-CAM takes by default; what the map reaches on its own
grid is kept beside it, under names that begin with ``native_``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from audit.config.model import Config
from audit.heatmaps import cell_means
from audit.metrics import MetricSettings, SceneInputs, score_record
from audit.metrics.scoring import SCORED
from audit.stages.eligibility import level_of

Grid = tuple[int, int]

NATIVE_COLUMNS = {
    "pointing_hit": pa.bool_(),
    "pointing_hit_15px": pa.bool_(),
    "pointing_distance": pa.float64(),
    "pointing_chance_cells": pa.float64(),
    "energy_in_box": pa.float64(),
    "energy_ceiling": pa.float64(),
    "energy_skill": pa.float64(),
}


@dataclass(frozen=True)
class JudgedGrid:
    """Scores maps of pixels anew, on the grid of the default layer."""

    grid: Grid
    settings: MetricSettings
    """Of the metrics that a verdict rests on, alone."""

    def of(self, method: str, own: Grid) -> Grid:
        """Rows and columns on which a method's map is judged, given those of its map."""
        finer = own != self.grid and all(a >= b for a, b in zip(own, self.grid, strict=True))
        return self.grid if finer and level_of(method) == "input" else own

    def rescored(self, scores: dict[str, Any], inputs: SceneInputs) -> dict[str, Any]:
        """A record's ``scores`` with what a verdict rests on from the averaged map.

        A map that is flat once it is averaged is unscored, as any flat map is.
        """
        if scores["status"] != SCORED:
            return scores
        averaged = on_grid(inputs.heatmap[None], self.grid)[0]
        judged = score_record(replace(inputs, heatmap=averaged, peak=None), self.settings)
        native = {f"native_{name}": scores[name] for name in NATIVE_COLUMNS}
        if judged["status"] != SCORED:
            return dict.fromkeys(scores) | judged | native
        return scores | judged | native


def judged_grid(
    config: Config, found: dict[str, Any], settings: MetricSettings
) -> JudgedGrid | None:
    """What scores maps of pixels anew; None where no method makes any, or there is no such layer.

    ``found``: the content of ``model.json``.
    """
    grid = found.get("reference_grid")
    if grid is None or "input" not in map(level_of, config.explain.methods()):
        return None
    return JudgedGrid((grid[0], grid[1]), settings)


def on_grid(maps: np.ndarray, grid: Grid) -> np.ndarray:
    """float32 (n, rows, columns): maps (n, h, w) as they are judged on a grid no finer than theirs."""
    return maps if maps.shape[1:] == grid else cell_means(maps, grid).astype(np.float32)
