"""Which pixels of the model's input are taken away: an object, or as much background."""

from __future__ import annotations

import math

import cv2
import numpy as np

from audit.geometry import Window, box_mask

# A box that fits nowhere is cut in half, again and again, down to this part of the shorter side.
SMALLEST_PIECE = 1 / 16


def touched(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """bool (height, width): every pixel that any of (n, 4) boxes touches.

    Wider than the half-open rule by less than a pixel: resizing mixes the object into the pixels
    along its edge, and what is removed has to be gone.
    """
    outward = np.concatenate((np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])), axis=1)
    return box_mask(outward.reshape(-1, 4), Window(0, height, 0, width)).astype(bool)


def control_boxes(
    region: np.ndarray, objects: np.ndarray, visible: Window, rng: np.random.Generator
) -> np.ndarray | None:
    """Background of the area and shape of an object's region, at random places clear of all objects.

    ``region`` and ``objects``: bool (H, W), of the class that is removed and of all classes. Each
    connected part of the region becomes a rectangle of its area and aspect ratio (one box: itself).
    Where that fits nowhere, its two halves are placed, and so on: the area stays, the shape is
    given up.

    Returns
    -------
    int64 (k, 4) xyxy in pixels of the input, none overlapping another; None where they do not fit.
    """
    rows, cols = slice(visible.row0, visible.row1), slice(visible.col0, visible.col1)
    taken = objects[rows, cols] | region[rows, cols]
    smallest = max(1, int(SMALLEST_PIECE * min(taken.shape)))
    found: list[tuple[int, int, int, int]] = []
    for height, width in _rectangles(region[rows, cols]):
        placed = _place(height, width, taken, smallest, rng)
        if placed is None:
            return None
        found += placed
    corner = (visible.col0, visible.row0, visible.col0, visible.row0)
    return np.array(found, np.int64).reshape(-1, 4) + corner


def _rectangles(region: np.ndarray) -> list[tuple[int, int]]:
    """(height, width) for each connected part of a region, the largest first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    sizes = []
    for _, _, width, height, area in stats[1:].tolist():
        shrink = math.sqrt(area / (width * height))
        rows = max(1, round(height * shrink))
        sizes.append((rows, max(1, round(area / rows))))
    return sorted(sizes, key=lambda size: (-size[0] * size[1], size))


def _place(
    height: int, width: int, taken: np.ndarray, smallest: int, rng: np.random.Generator
) -> list[tuple[int, int, int, int]] | None:
    """Boxes for a rectangle, in one piece or several; marks them in ``taken``."""
    spots = _free(taken, height, width)
    if len(spots):
        y, x = (int(v) for v in spots[rng.integers(len(spots))])
        taken[y : y + height, x : x + width] = True
        return [(x, y, x + width, y + height)]
    if max(height, width) < 2 * smallest:
        return None
    found: list[tuple[int, int, int, int]] = []
    for piece in _halves(height, width):
        placed = _place(*piece, taken, smallest, rng)
        if placed is None:
            return None
        found += placed
    return found


def _halves(height: int, width: int) -> list[tuple[int, int]]:
    """The two halves of a rectangle, cut across its longer side."""
    if height >= width:
        return [(height - height // 2, width), (height // 2, width)]
    return [(height, width - width // 2), (height, width // 2)]


def _free(taken: np.ndarray, height: int, width: int) -> np.ndarray:
    """(n, 2) int64 (row, column) at which a rectangle lies wholly in what is not taken."""
    if height > taken.shape[0] or width > taken.shape[1]:
        return np.zeros((0, 2), np.int64)
    sums = cv2.integral(taken.astype(np.uint8))
    inside = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    return np.argwhere(inside == 0)
