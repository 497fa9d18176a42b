"""The metrics again, from the definitions: pixel by pixel, sharing no code with the package."""

import math

import numpy as np
from skimage.measure import label, regionprops


def tent(position, n):
    """Weights of n cells at a position in units of cells, clamped to the outer centres."""
    s = min(max(position - 0.5, 0.0), n - 1.0)
    return np.array([max(0.0, 1.0 - abs(s - k)) for k in range(n)])


def inside(x, y, boxes):
    return any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in boxes)


def distance(x, y, boxes):
    gaps = [(max(a - x, x - c, 0.0), max(b - y, y - d, 0.0)) for a, b, c, d in boxes]
    return min(math.hypot(*gap) for gap in gaps)


def clip(boxes, frame):
    left, top = max(frame.view.x0, 0), max(frame.view.y0, 0)
    right, low = min(frame.view.x1, frame.width), min(frame.view.y1, frame.height)
    cut = [(max(a, left), max(b, top), min(c, right), min(d, low)) for a, b, c, d in boxes]
    return [(a, b, c, d) for a, b, c, d in cut if c > a and d > b]


class SlowScene:
    """Everything about a small record, by loops over the pixels of the canvas."""

    def __init__(self, heatmap, frame, boxes, ignored):
        self.a, self.frame = heatmap.astype(np.float64), frame
        self.h, self.w = heatmap.shape
        self.boxes, self.ignored = clip(boxes, frame), clip(ignored, frame)
        view = frame.view
        cols = range(math.floor(view.x0) - 1, math.ceil(view.x1) + 2)
        rows = range(math.floor(view.y0) - 1, math.ceil(view.y1) + 2)
        self.weight_canvas = np.zeros((self.h, self.w))
        self.weight_image = np.zeros((self.h, self.w))
        self.weight_view = np.zeros((self.h, self.w))
        self.weight_inside = np.zeros((self.h, self.w))
        self.cover = np.zeros((self.h, self.w))
        self.pixels = {}  # (row, col) of V -> (value, in M)
        for row in rows:
            for col in cols:
                self._add(row, col)

    def _add(self, row, col):
        view, x, y = self.frame.view, col + 0.5, row + 0.5
        if not (view.x0 <= x < view.x1 and view.y0 <= y < view.y1):
            return
        across = tent((x - view.x0) * self.w / view.width, self.w)
        down = tent((y - view.y0) * self.h / view.height, self.h)
        weight = np.outer(down, across)
        self.weight_canvas += weight
        if not (0 <= x < self.frame.width and 0 <= y < self.frame.height):
            return
        self.weight_image += weight
        marked = inside(x, y, self.boxes)
        if inside(x, y, self.ignored) and not marked:
            return
        self.weight_view += weight
        self.pixels[row, col] = (float((weight * self.a).sum()), marked)
        if marked:
            self.weight_inside += weight
            self._cover(row, col)

    def _cover(self, row, col):
        """Adds the pixel's overlap with each native cell, as a share of the cell."""
        view = self.frame.view
        wide, high = view.width / self.w, view.height / self.h
        for i in range(self.h):
            for j in range(self.w):
                x0, y0 = view.x0 + j * wide, view.y0 + i * high
                dx = max(0.0, min(col + 1, x0 + wide) - max(col, x0))
                dy = max(0.0, min(row + 1, y0 + high) - max(row, y0))
                self.cover[i, j] += dx * dy / (wide * high)

    def area(self):
        cell = self.frame.view.area / (self.h * self.w)
        largest = max((c - a) * (d - b) for a, b, c, d in self.boxes)
        marked = sum(m for _, m in self.pixels.values())
        return {"area_fraction": marked / len(self.pixels), "largest_box_cells": largest / cell}

    def hit(self, x, y, tolerance):
        if not (0 <= x < self.frame.width and 0 <= y < self.frame.height):
            return False
        far = distance(x, y, self.boxes)
        if inside(x, y, self.ignored) and far > 0:
            return None
        return far <= tolerance

    def centre(self, row, col):
        view = self.frame.view
        x = view.x0 + (col + 0.5) * view.width / self.w
        return x, view.y0 + (row + 0.5) * view.height / self.h

    def pointing(self, tolerance):
        row, col = np.unravel_index(self.a.argmax(), self.a.shape)
        x, y = self.centre(row, col)
        cells = [
            self.hit(*self.centre(i, j), tolerance) for i in range(self.h) for j in range(self.w)
        ]
        seen = [c for c in cells if c is not None]
        return {
            "pointing_hit": self.hit(x, y, tolerance),
            "pointing_hit_0px": self.hit(x, y, 0),
            "pointing_hit_15px": self.hit(x, y, 15),
            "point_x": x,
            "point_y": y,
            "pointing_chance": self.chance(tolerance),
            "pointing_chance_15px": self.chance(15),
            "pointing_chance_cells": sum(seen) / len(seen) if seen else None,
            "pointing_center": self.hit(self.frame.width / 2, self.frame.height / 2, tolerance),
        }

    def chance(self, tolerance):
        near = [distance(c + 0.5, r + 0.5, self.boxes) <= tolerance for r, c in self.pixels]
        return sum(near) / len(near)

    def energy(self):
        total = sum(v for v, _ in self.pixels.values())
        energy = sum(v for v, m in self.pixels.values() if m) / total if total else None
        whole = self.weight_view >= 0.5 * self.weight_canvas
        ceiling = (
            (self.weight_inside[whole] / self.weight_view[whole]).max() if whole.any() else None
        )
        area, skill = self.area()["area_fraction"], None
        if energy is not None and ceiling is not None and ceiling - area >= 0.2:
            skill = min((energy - area) / (ceiling - area), 1.0)
        cover = (self.cover * self.weight_inside).sum() / (self.cover * self.weight_view).sum()
        image, canvas = (self.a * self.weight_image).sum(), (self.a * self.weight_canvas).sum()
        return {
            "energy_in_box": energy,
            "energy_in_padding": 1 - image / canvas,
            "energy_ceiling": ceiling,
            "energy_skill": skill,
            "energy_cover": cover,
            "weights_inside": self.weight_inside.ravel(),
            "weights_view": self.weight_view.ravel(),
        }

    def mask(self, t):
        """{A >= t max(A)} as a set of pixels, and whether a value is too near the cut to tell."""
        cut = t * max(v for v, _ in self.pixels.values())
        kept = {p for p, (v, _) in self.pixels.items() if v >= cut}
        close = any(abs(v - cut) < 2e-6 for v, _ in self.pixels.values())
        return kept, close

    def mask_iou(self, t):
        kept, _ = self.mask(t)
        marked = {p for p, (_, m) in self.pixels.items() if m}
        return len(kept & marked) / len(kept | marked)

    def box(self, t):
        """Box of the largest component; None where two are equally large."""
        kept, _ = self.mask(t)
        raster = np.zeros((self.frame.height, self.frame.width), dtype=int)
        for row, col in kept:
            raster[row, col] = 1
        regions = regionprops(label(raster, connectivity=2))
        sizes = sorted((int(r.area) for r in regions), reverse=True)
        if len(sizes) > 1 and sizes[0] == sizes[1]:
            return None
        row0, col0, row1, col1 = max(regions, key=lambda r: r.area).bbox
        return (col0, row0, col1, row1)

    def box_iou(self, t):
        found = self.box(t)
        return None if found is None else max(iou(found, box) for box in self.boxes)


def iou(p, q):
    wide = max(0.0, min(p[2], q[2]) - max(p[0], q[0]))
    high = max(0.0, min(p[3], q[3]) - max(p[1], q[1]))
    both = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1])
    return wide * high / (both - wide * high)
