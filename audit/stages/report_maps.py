"""Where on the image, and where on the object, a class's heatmaps lie: the mean over its records.

In the image's frame a habit shows at once, the centre or a corner; in the box's frame it shows which
part of the object the model looks at, and whether it looks beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.heatmaps import sample
from audit.records import Box, Frame

CELLS = 24
# A box's picture shows half of its width and height around it.
AROUND = 0.5
# Records of a class that a mean is taken over: the first in an order drawn by the seed.
RECORDS = 500
# Cells that fewer records reach than this share of them are left empty.
REACHED = 0.1


@dataclass
class MeanMap:
    """A running mean of maps of :data:`CELLS` x :data:`CELLS`; NaN is not observed."""

    total: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, CELLS)))
    seen: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, CELLS)))
    n: int = 0

    def add(self, values: np.ndarray) -> None:
        there = ~np.isnan(values)
        self.total += np.where(there, values, 0.0)
        self.seen += there
        self.n += 1

    def mean(self) -> np.ndarray | None:
        """float64 (CELLS, CELLS), NaN where too few records reach; None without any record."""
        if not self.n:
            return None
        enough = self.seen >= max(REACHED * self.n, 1)
        return np.where(enough, self.total / np.maximum(self.seen, 1), np.nan)


@dataclass
class ClassMaps:
    """Both means of one class."""

    in_image: MeanMap = field(default_factory=MeanMap)
    in_box: MeanMap = field(default_factory=MeanMap)

    def add(self, heatmap: np.ndarray, frame: Frame, boxes: np.ndarray) -> None:
        """A record: its map (h, w) counts from 0 to its maximum; ``boxes`` (n, 4) xyxy, original.

        Of several boxes the largest is taken. A map without a positive value is left out.
        """
        positive = np.maximum(heatmap, 0)
        peak = float(positive.max(initial=0))
        if not (np.isfinite(peak) and peak > 0) or not len(boxes):
            return
        share = positive / peak
        whole = Box(0.0, 0.0, float(frame.width), float(frame.height))
        self.in_image.add(_over(share, frame, whole, 0.0))
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        self.in_box.add(_over(share, frame, Box(*boxes[int(areas.argmax())]), AROUND))

    def values(self) -> dict[str, Any]:
        """For ``report.json``."""
        return {
            "n": self.in_image.n,
            "in_image": _rows(self.in_image.mean()),
            "in_box": _rows(self.in_box.mean()),
        }


def _over(heatmap: np.ndarray, frame: Frame, box: Box, around: float) -> np.ndarray:
    """The map at the middles of a grid's cells over a box and so much around it."""
    at = (np.arange(CELLS) + 0.5) / CELLS * (1 + 2 * around) - around
    return sample(heatmap, frame, box.x0 + at * box.width, box.y0 + at * box.height)


def _rows(mean: np.ndarray | None) -> list[list[float | None]] | None:
    if mean is None:
        return None
    return [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in mean]
