"""Sets of pixels made of boxes: rasters, and a coarser tiling, which is enough for most sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.geometry.boxes import CHUNK, pixel_ranges
from audit.geometry.frames import Window

# Up to this many boxes are painted one by one; more go through a difference image.
FEW_BOXES = 16
# A distance that exceeds the tolerance by rounding alone still counts, in pixels.
DISTANCE_SLACK = 1e-9


def box_mask(boxes: np.ndarray, window: Window) -> np.ndarray:
    """Union of (n, 4) boxes as a uint8 raster (rows, cols) of the window: 1 inside, 0 outside."""
    ranges = _inside_window(boxes, window) - _origin(window)
    return _paint(ranges, window.rows, window.cols).view(np.uint8)


@dataclass(frozen=True, slots=True)
class Tiling:
    """A window cut along the pixel edges of all boxes; each tile is wholly in or out of a region.

    n boxes make at most (2n + 1)^2 tiles, and never more than pixels: one box makes nine. Sums over
    regions of anything separable are sums over tiles.
    """

    window: Window
    y_edges: np.ndarray
    """(ny + 1,) int64 pixel rows of the original, from the window's first to its end."""
    x_edges: np.ndarray
    heights: np.ndarray
    """(ny,) int64 rows of pixels in each row of tiles."""
    widths: np.ndarray
    inside: np.ndarray
    """(ny, nx) bool: the tile belongs to M, the union of the reference boxes."""
    valid: np.ndarray
    """(ny, nx) bool: the tile belongs to V. An ignored region is not in V, except where a
    reference box lies over it: a normal annotation is worth more than a crowd region around it."""
    has_ignored: bool

    def count(self, region: np.ndarray) -> int:
        """Pixels of a (ny, nx) bool region."""
        return int(np.einsum("y,yx,x->", self.heights, region, self.widths))

    def raster(self, region: np.ndarray) -> np.ndarray:
        """A (ny, nx) region, or any values of tiles, as a raster (rows, cols) of the window."""
        return region.repeat(self.widths, axis=1).repeat(self.heights, axis=0)


def tile(window: Window, boxes: np.ndarray, ignored: np.ndarray) -> Tiling:
    """The tiling of a window by reference boxes (n, 4) and ignored regions (m, 4)."""
    ranges = _inside_window(boxes, window)
    holes = _inside_window(ignored, window)
    x_edges = _edges(window.col0, window.col1, ranges[:, 0::2], holes[:, 0::2])
    y_edges = _edges(window.row0, window.row1, ranges[:, 1::2], holes[:, 1::2])
    inside = _paint_tiles(ranges, y_edges, x_edges)
    # No ignored region paints nothing, and V is everything.
    valid = inside | ~_paint_tiles(holes, y_edges, x_edges)
    heights, widths = y_edges[1:] - y_edges[:-1], x_edges[1:] - x_edges[:-1]
    return Tiling(window, y_edges, x_edges, heights, widths, inside, valid, bool(len(holes)))


def dilated_counts(tiling: Tiling, boxes: np.ndarray, tolerances: Sequence[float]) -> list[int]:
    """Pixels of V whose centres lie within each tolerance of any of (n, 4) boxes, inclusive.

    Distance is Euclidean and continuous, from the pixel's centre to the closed box.
    """
    if len(boxes) <= FEW_BOXES:
        each = np.array(tolerances)[:, None, None]
        starts, ends = _disjoint(*_runs(tiling.window, boxes, each))
        if tiling.has_ignored:
            starts, ends = _valid_before(tiling, starts), _valid_before(tiling, ends)
        return (ends - starts).reshape(len(each), -1).sum(axis=1).tolist()
    valid = tiling.raster(tiling.valid)
    return [int(np.count_nonzero(_covered(tiling.window, boxes, t) & valid)) for t in tolerances]


def _covered(window: Window, boxes: np.ndarray, tolerance: float) -> np.ndarray:
    """The dilated boxes as a bool raster of the window, for any number of boxes."""
    depth = np.zeros((window.rows, window.cols + 1), dtype=np.int32)
    rows = np.arange(window.rows)
    step = max(1, CHUNK // max(window.rows, 1))
    for start in range(0, len(boxes), step):
        first, end = _runs(window, boxes[start : start + step], tolerance)
        np.add.at(depth, (np.broadcast_to(rows, first.shape), first), 1)
        np.add.at(depth, (np.broadcast_to(rows, end.shape), end), -1)
    return np.cumsum(depth[:, :-1], axis=1) > 0


def _runs(
    window: Window, boxes: np.ndarray, tolerance: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First and end column, within the window, of each dilated box in each row.

    Two of int64 (n, rows), or (t, n, rows) for tolerances (t, 1, 1).
    """
    x0, y0, x1, y1 = (edge[:, None] for edge in boxes.T)
    y = np.arange(window.row0, window.row1) + 0.5
    dy = np.maximum(np.maximum(y0 - y, y - y1), 0.0)
    reach = np.sqrt(np.maximum(tolerance * tolerance - dy * dy, 0.0)) + DISTANCE_SLACK
    first = np.ceil(x0 - reach - 0.5) - window.col0
    end = np.floor(x1 + reach - 0.5) + 1 - window.col0
    first = np.minimum(np.maximum(first, 0), window.cols).astype(np.int64)
    end = np.minimum(np.maximum(end, first), window.cols).astype(np.int64)
    return first, np.where(dy <= tolerance + DISTANCE_SLACK, end, first)


def _disjoint(first: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs of each row, (t, n, rows) each, cut so that none overlaps another of its row."""
    if first.shape[1] == 1:
        return first, end
    order = np.argsort(first, axis=1, kind="stable")
    first, end = np.take_along_axis(first, order, 1), np.take_along_axis(end, order, 1)
    reached = np.zeros_like(end)
    reached[:, 1:] = np.maximum.accumulate(end, axis=1)[:, :-1]
    start = np.maximum(first, reached)
    return start, np.maximum(end, start)


def _valid_before(tiling: Tiling, cols: np.ndarray) -> np.ndarray:
    """Pixels of V to the left of window column ``cols`` (t, n, rows) in each row of the window."""
    x_edges = tiling.x_edges - tiling.window.col0
    totals = np.cumsum(tiling.valid * tiling.widths, axis=1)
    before = np.concatenate((np.zeros_like(totals[:, :1]), totals), axis=1)
    band = np.repeat(np.arange(len(tiling.valid)), tiling.heights)
    nx = tiling.valid.shape[1]
    tile_of = np.minimum(np.searchsorted(x_edges, cols, side="right") - 1, nx - 1)
    return before[band, tile_of] + tiling.valid[band, tile_of] * (cols - x_edges[tile_of])


def _origin(window: Window) -> tuple[int, int, int, int]:
    return (window.col0, window.row0, window.col0, window.row0)


def _inside_window(boxes: np.ndarray, window: Window) -> np.ndarray:
    """Pixel ranges of the boxes cut to the window; those that hold no pixel are left out."""
    if not len(boxes):
        return np.zeros((0, 4), dtype=np.int64)
    low, high = _origin(window), (window.col1, window.row1, window.col1, window.row1)
    # Clipped before rounding: a coordinate may be too large for an integer.
    ranges = pixel_ranges(np.clip(boxes, low, high))
    return ranges[(ranges[:, 2:] > ranges[:, :2]).all(axis=1)]


def _edges(start: int, end: int, *cuts: np.ndarray) -> np.ndarray:
    found = {start, end}
    for cut in cuts:
        found.update(cut.ravel().tolist())
    return np.array(sorted(found), dtype=np.int64)


def _paint_tiles(ranges: np.ndarray, y_edges: np.ndarray, x_edges: np.ndarray) -> np.ndarray:
    """Union of pixel ranges as a bool (ny, nx) over tiles; their edges are among the given ones."""
    tiles = np.empty_like(ranges)
    tiles[:, 0::2] = x_edges.searchsorted(ranges[:, 0::2])
    tiles[:, 1::2] = y_edges.searchsorted(ranges[:, 1::2])
    return _paint(tiles, len(y_edges) - 1, len(x_edges) - 1)


def _paint(ranges: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Union of (n, 4) ranges as a bool (rows, cols); ranges lie within it."""
    if len(ranges) <= FEW_BOXES:
        grid = np.zeros((rows, cols), dtype=bool)
        for x0, y0, x1, y1 in ranges.tolist():
            grid[y0:y1, x0:x1] = True
        return grid
    depth = np.zeros((rows + 1, cols + 1), dtype=np.int32)
    x0, y0, x1, y1 = ranges.T
    np.add.at(depth, (y0, x0), 1)
    np.add.at(depth, (y1, x1), 1)
    np.add.at(depth, (y0, x1), -1)
    np.add.at(depth, (y1, x0), -1)
    return depth.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
