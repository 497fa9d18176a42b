"""One record as all metrics see it; each shared quantity is worked out once, when first needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from audit.geometry import (
    Tiling,
    Window,
    box_array,
    canvas_window,
    clip_boxes,
    normalised_to_original,
    tile,
    visible_box,
    visible_window,
)
from audit.heatmaps import (
    PEAK,
    Peak,
    SuperlevelSets,
    cell_shares,
    cumulative_weights,
    maximum,
    upsample,
)
from audit.metrics.ranking import Ranking
from audit.metrics.settings import MetricSettings
from audit.records import Box, Frame

# Least pixels of the original in a cell at which local maxima are read off the cells.
MIN_CELL = 4

# What a map's kind is that is the same everywhere by definition, as that of a baseline: it has no
# maximum, and is scored by what it is expected to reach.
EVEN = "even"

# Why a record cannot be scored. Those of the annotation come first, so that all methods agree about
# them and are compared on the same records.
REASONS = (
    "no_box",
    "only_ignored",
    "box_outside_view",
    "box_without_pixel",
    "boxes_fill_view",
    "non_finite_map",
    "negative_map",
    "flat_map",
)


@dataclass(frozen=True, slots=True)
class SceneInputs:
    """What is known about a record, as its files give it."""

    heatmap: np.ndarray
    """float32 (h, w), native grid, over the model's whole input."""
    frame: Frame
    boxes: Iterable[Box] | np.ndarray
    """Reference boxes in pixels of the original, or (n, 4) float64; not yet clipped."""
    ignored: Iterable[Box] | np.ndarray = ()
    """Crowd and difficult objects of the reference class; they are taken out of V."""
    peak: Peak | None = None
    """The maximum, taken before storage; from ``heatmap`` where it is None."""


class Weights(NamedTuple):
    """U^T 1 over regions of pixels, each float64 (h, w): ``(a * weight).sum()`` is the sum of the
    upsampled map over the region, without upsampling."""

    inside: np.ndarray
    """M, within V."""
    view: np.ndarray
    """V."""
    image: np.ndarray
    """V with its ignored regions."""
    canvas: np.ndarray
    """The model's whole input, padding too."""


class Scene:
    """A record's geometry and map; see the properties. Built by :func:`score_record`.

    Raises
    ------
    AuditError: a box is not finite.
    ValueError: the heatmap is not a 2-D array with cells.
    """

    def __init__(self, inputs: SceneInputs, settings: MetricSettings) -> None:
        if inputs.heatmap.ndim != 2 or not inputs.heatmap.size:
            raise ValueError(f"Expected a heatmap (h, w), but got {inputs.heatmap.shape}")
        self.inputs = inputs
        self.settings = settings
        self.frame = inputs.frame
        self.heatmap = inputs.heatmap
        self.given_boxes = box_array(inputs.boxes)
        self.given_ignored = box_array(inputs.ignored)

    @cached_property
    def reason(self) -> str | None:
        """Why the record cannot be scored: one of :data:`REASONS`, or None."""
        if not len(self.given_boxes):
            return "only_ignored" if len(self.given_ignored) else "no_box"
        if not len(self.boxes) or not (self.window.rows and self.window.cols):
            return "box_outside_view"
        if self.n_inside == 0:
            return "box_without_pixel"
        if self.n_inside == self.n_view:
            return "boxes_fill_view"
        return None if self.peak.kind in (PEAK, EVEN) else self.peak.kind

    # -- regions

    @cached_property
    def _visible(self) -> Box | None:
        return visible_box(self.frame)

    @cached_property
    def boxes(self) -> np.ndarray:
        """(n, 4) reference boxes, cut to what the model sees of the image; the others are gone."""
        visible = self._visible
        return clip_boxes(self.given_boxes, visible) if visible else np.zeros((0, 4))

    @cached_property
    def ignored(self) -> np.ndarray:
        """(m, 4) ignored regions, cut in the same way."""
        visible = self._visible
        return clip_boxes(self.given_ignored, visible) if visible else np.zeros((0, 4))

    @cached_property
    def window(self) -> Window:
        """The pixels of V, before ignored regions are taken out."""
        return visible_window(self.frame)

    @cached_property
    def tiling(self) -> Tiling:
        return tile(self.window, self.boxes, self.ignored)

    @cached_property
    def n_inside(self) -> int:
        """Pixels of M in V."""
        return self.tiling.count(self.tiling.inside)

    @cached_property
    def n_view(self) -> int:
        """Pixels of V."""
        return self.tiling.count(self.tiling.valid)

    @cached_property
    def area_fraction(self) -> float:
        return self.n_inside / self.n_view

    @cached_property
    def valid_raster(self) -> np.ndarray | None:
        """V as a bool raster of the window; None where it is all of it."""
        return self.tiling.raster(self.tiling.valid) if self.tiling.has_ignored else None

    # -- the map on its native grid

    @cached_property
    def peak(self) -> Peak:
        return self.inputs.peak if self.inputs.peak is not None else maximum(self.heatmap)

    @property
    def even(self) -> bool:
        """The map is the same everywhere by definition."""
        return self.peak.kind == EVEN

    @cached_property
    def point(self) -> np.ndarray:
        """(2,) the maximum (x, y) in pixels of the original; outside the image when in padding, NaN
        where there is none."""
        return normalised_to_original(self.frame, (self.peak.u, self.peak.v))

    @cached_property
    def cell_centres(self) -> np.ndarray:
        """(h * w, 2) centres (x, y) of the native cells in pixels of the original."""
        return _cell_centres(self.frame, *self.heatmap.shape)

    @cached_property
    def heatmap64(self) -> np.ndarray:
        return self.heatmap.astype(np.float64)

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray, Window]:
        """Running weights of rows and of columns over the canvas, and the canvas."""
        (h, w), view, canvas = self.heatmap.shape, self.frame.view, canvas_window(self.frame)
        rows = cumulative_weights(h, canvas.row0, canvas.row1, view.y0, view.y1)
        cols = cumulative_weights(w, canvas.col0, canvas.col1, view.x0, view.x1)
        return rows, cols, canvas

    @cached_property
    def weights(self) -> Weights:
        rows, cols, canvas = self._axes
        at_y = rows[self.tiling.y_edges - canvas.row0]
        at_x = cols[self.tiling.x_edges - canvas.col0]
        by_y, by_x = at_y[1:] - at_y[:-1], at_x[1:] - at_x[:-1]
        inside = _spread(by_y, self.tiling.inside, by_x)
        image = np.multiply.outer(by_y.sum(axis=0), by_x.sum(axis=0))
        view = _spread(by_y, self.tiling.valid, by_x) if self.tiling.has_ignored else image
        return Weights(inside, view, image, np.multiply.outer(rows[-1], cols[-1]))

    @cached_property
    def coverage(self) -> np.ndarray:
        """float64 (h, w): the share of each native cell that M covers, counted in pixels of M."""
        (h, w), view = self.heatmap.shape, self.frame.view
        by_y = cell_shares(h, self.tiling.y_edges, view.y0, view.y1)
        by_x = cell_shares(w, self.tiling.x_edges, view.x0, view.x1)
        return _spread(by_y, self.tiling.inside, by_x)

    # -- the map on the original's pixels

    @cached_property
    def values(self) -> np.ndarray:
        """float32 (rows, cols) of the window: the upsampled map, -1 outside V."""
        values = upsample(self.heatmap, self.frame)
        if self.even:  # which rounding would make uneven
            values = np.full_like(values, self.heatmap.flat[0])
        if self.valid_raster is not None:
            np.copyto(values, np.float32(-1), where=~self.valid_raster)
        return values

    @cached_property
    def highest(self) -> float:
        """The largest value over V; 0 where the whole map lies in padding or ignored regions."""
        return float(self.values.max())

    @cached_property
    def ranking(self) -> Ranking | None:
        """The pixels of V by their values; None where the map is 0 all over V."""
        if self.highest <= 0:
            return None
        return Ranking(self.values, self.tiling, self.valid_raster)

    @cached_property
    def threshold(self) -> float:
        """The configured threshold on this map, as a fraction of :attr:`highest`."""
        chosen = self.settings.threshold
        if chosen.kind == "fraction":
            return chosen.value
        valid = self.valid_raster
        pixels = self.values if valid is None else self.values[valid]
        return chosen.fraction(pixels, self.highest)

    @cached_property
    def levels(self) -> tuple[SuperlevelSets, np.ndarray] | None:
        """The threshold masks of the record, rising; and where the configured one and those of the
        sweep are among them. None where the map is 0 all over V: there is no mask to speak of."""
        if self.highest <= 0:
            return None
        chosen = self.settings.levels(self.threshold)
        cuts = (chosen.fractions * self.highest).astype(np.float32)
        return SuperlevelSets(self.values, cuts, chosen.even, self.valid_raster), chosen.places

    @cached_property
    def summits(self) -> np.ndarray | None:
        """float32 (n,): values of the map's local maxima on the original's pixels.

        A bilinear map is highest at centres of cells that none of their four neighbours tops, and
        among pixels at the nearest of those around such a centre. None where V is not all of the
        map, since a map that is cut has maxima along the cut, too; and where a cell is hardly
        larger than a pixel.
        """
        (h, w), view, window = self.heatmap.shape, self.frame.view, self.window
        whole = (window.col0, window.row0, window.col1, window.row1)
        cut = (view.x0, view.y0, view.x1, view.y1) != whole or self.tiling.has_ignored
        if cut or window.rows < MIN_CELL * h or window.cols < MIN_CELL * w:
            return None
        rows, cols = np.nonzero(_tops(self.heatmap))
        y = (rows + 0.5) * (window.rows / h) - 0.5
        x = (cols + 0.5) * (window.cols / w) - 0.5
        around = [
            self.values[np.floor(y).astype(int) + dy, np.floor(x).astype(int) + dx]
            for dy in (0, 1)
            for dx in (0, 1)
        ]
        return np.max(around, axis=0)

    @cached_property
    def highest_pixel(self) -> int:
        """Flat index in :attr:`values` of the first pixel that is highest."""
        return int(self.values.argmax())


def _spread(by_y: np.ndarray, region: np.ndarray, by_x: np.ndarray) -> np.ndarray:
    """by_y^T region by_x without BLAS: (ny, h), (ny, nx) bool, (nx, w) give float64 (h, w)."""
    return np.einsum("yi,yj->ij", by_y, np.einsum("yx,xj->yj", region.astype(np.float64), by_x))


def _tops(a: np.ndarray) -> np.ndarray:
    """bool (h, w): cells that none of their four neighbours tops."""
    padded = np.full((a.shape[0] + 2, a.shape[1] + 2), -np.inf, a.dtype)
    padded[1:-1, 1:-1] = a
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return np.logical_and.reduce([a >= side for side in sides])


@lru_cache(maxsize=64)
def _cell_centres(frame: Frame, h: int, w: int) -> np.ndarray:
    v, u = np.meshgrid((np.arange(h) + 0.5) / h, (np.arange(w) + 0.5) / w, indexing="ij")
    centres = normalised_to_original(frame, np.stack((u.ravel(), v.ravel()), axis=1))
    centres.setflags(write=False)
    return centres
