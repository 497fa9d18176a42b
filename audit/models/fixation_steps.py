"""The steps of CNN Fixations, NumPy only: points at one tensor become points at those before it.

Maps are (H, W, C), vectors are maps (1, 1, C). Points are int64 (N, 5): channel, row, column, sign,
count. The sign is +1 where more of the value speaks for the class, and -1 where less does, since a
negative factor (a batch norm's gamma) lies between it and the weights that the point came through:
that is the batch norm folded into the weights before it. Weights use the sign up: behind them it is
+1. The count says how many fixations have met at the point.

Biases add nothing that depends on the image, and are ignored throughout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

CHANNEL, ROW, COLUMN, SIGN, COUNT = range(5)
NAMES = ("channel", "row", "column", "sign", "count")
NO_POINTS = np.empty((0, len(NAMES)), np.int64)
# Numbers that one block of points gathers: what bounds memory, and fits into a CPU's cache.
BLOCK = 2**20

Values = Mapping[str, np.ndarray]
Shape = tuple[int, int, int]
Moves = Iterable[tuple[str, np.ndarray]]


class Step(ABC):
    """What one operation of the graph does to points."""

    looks: ClassVar[bool] = False
    """Whether the sources' values decide it."""

    @property
    @abstractmethod
    def sources(self) -> tuple[str, ...]:
        """Tensors that points may move to."""

    @abstractmethod
    def back(self, points: np.ndarray, values: Values) -> Moves:
        """Where ``points`` (N, 5), N > 0, move to: (tensor, points (M, 5)).

        ``values`` gives the sources as (H, W, C) for one image, if the step looks at them.
        """


@dataclass(frozen=True)
class FromOne(Step):
    """A step that has one source."""

    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


def start(unit: int, sign: int) -> np.ndarray:
    """The one point (1, 5) that a walk begins with: a unit of the scores."""
    return np.array([[unit, 0, 0, sign, 1]], np.int64)


def met(parts: Iterable[np.ndarray], shape: Shape) -> np.ndarray:
    """Points (N, 5) that came to a map of ``shape`` by several ways: those that meet are one."""
    points = np.concatenate([NO_POINTS, *parts])
    height, width, channels = shape
    place = (points[:, ROW] * width + points[:, COLUMN]) * channels + points[:, CHANNEL]
    keys, which = np.unique(place * 2 + (points[:, SIGN] < 0), return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, which, points[:, COUNT])
    place, negative = np.divmod(keys, 2)
    row, column, channel = np.unravel_index(place, shape)
    return np.stack([channel, row, column, 1 - 2 * negative, counts], axis=1)


def moved(points: np.ndarray, **columns: np.ndarray | int) -> np.ndarray:
    """A copy of ``points`` with the columns that are given replaced, by their :data:`NAMES`."""
    result = points.copy()
    for name, value in columns.items():
        result[:, NAMES.index(name)] = value
    return result


@dataclass(frozen=True)
class Passed(FromOne):
    """An elementwise operation: points stay where they are.

    ``factor`` broadcasts to the map; where it is negative, less of the source is more of this.
    """

    shape: Shape
    factor: np.ndarray | None = None

    def back(self, points: np.ndarray, values: Values) -> Moves:
        if self.factor is None:
            return [(self.source, points)]
        factors = np.broadcast_to(self.factor, self.shape)
        here = factors[points[:, ROW], points[:, COLUMN], points[:, CHANNEL]]
        return [(self.source, moved(points, sign=np.where(here < 0, -1, 1) * points[:, SIGN]))]


@dataclass(frozen=True)
class Moved(FromOne):
    """Padding, slicing, reversing, resizing: one look-up per axis.

    ``rows``, ``columns`` and ``channels`` give, for each index of the output, the source's index;
    -1 where there is none: points end there.
    """

    rows: np.ndarray
    columns: np.ndarray
    channels: np.ndarray

    def back(self, points: np.ndarray, values: Values) -> Moves:
        result = moved(
            points,
            row=self.rows[points[:, ROW]],
            column=self.columns[points[:, COLUMN]],
            channel=self.channels[points[:, CHANNEL]],
        )
        yield self.source, result[(result >= 0)[:, :SIGN].all(axis=1)]


@dataclass(frozen=True)
class Reshaped(FromOne):
    """The same values in another shape, as between a map and a vector."""

    source_shape: Shape
    shape: Shape

    def back(self, points: np.ndarray, values: Values) -> Moves:
        here = (points[:, ROW], points[:, COLUMN], points[:, CHANNEL])
        flat = np.ravel_multi_index(here, self.shape)
        row, column, channel = np.unravel_index(flat, self.source_shape)
        yield self.source, moved(points, row=row, column=column, channel=channel)


@dataclass(frozen=True)
class Joined(Step):
    """A concatenation: the offset along the joined axis picks the branch.

    ``parts`` are (tensor, or None where the image does not reach it; its length along the axis);
    points in a part that the image does not reach end there.
    """

    parts: tuple[tuple[str | None, int], ...]
    axis: int
    """The column of the points that the axis is."""

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parts if name is not None)

    def back(self, points: np.ndarray, values: Values) -> Moves:
        start = 0
        for name, length in self.parts:
            own = points[(points[:, self.axis] >= start) & (points[:, self.axis] < start + length)]
            if name is not None and len(own):
                own[:, self.axis] -= start
                yield name, own
            start += length


@dataclass(frozen=True)
class Chosen(Step):
    """A sum of activations, as of a residual block: the larger one at the point is followed.

    ``operands`` are (tensor, its sign in the sum), the skip first: of equals, the first is taken.
    For ``fixed``, a maximum or minimum, what the point asks for does not matter: its value is that
    operand's.
    """

    operands: tuple[tuple[str, int], ...]
    fixed: bool = False
    looks = True

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.operands)

    def back(self, points: np.ndarray, values: Values) -> Moves:
        wanted = np.int64(1) if self.fixed else points[:, SIGN]
        here = (points[:, ROW], points[:, COLUMN], points[:, CHANNEL])
        winner = np.argmax([values[n][here] * (s * wanted) for n, s in self.operands], axis=0)
        for k, (name, sign) in enumerate(self.operands):
            own = points[winner == k]
            if len(own):
                yield name, own if self.fixed else moved(own, sign=own[:, SIGN] * sign)


@dataclass(frozen=True)
class Window:
    """What a kernel sees of a map of ``shape``; pairs are (rows, columns).

    ``padding`` is what lies before the map's first row and column.
    """

    shape: Shape
    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]

    def taps(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (N, kh, 1), columns (N, 1, kw), and whether they lie on the map (N, kh, kw).

        Those in the padding are given as the nearest place on the map.
        """
        rows, columns = (self._along(points[:, ROW + axis], axis) for axis in (0, 1))
        rows, columns = rows[:, :, None], columns[:, None, :]
        height, width, _ = self.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return rows.clip(0, height - 1), columns.clip(0, width - 1), inside

    def centres(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """The middle of the receptive field, the upper left one of several, kept on the map."""
        found = []
        for axis in (0, 1):
            first = points[:, ROW + axis] * self.stride[axis] - self.padding[axis]
            middle = first + (self.size[axis] - 1) * self.dilation[axis] // 2
            found.append(middle.clip(0, self.shape[axis] - 1))
        return {"row": found[0], "column": found[1]}

    def _along(self, index: np.ndarray, axis: int) -> np.ndarray:
        steps = np.arange(self.size[axis]) * self.dilation[axis]
        return (index * self.stride[axis] - self.padding[axis])[:, None] + steps


@dataclass(frozen=True)
class Pooled(FromOne):
    """Max or average pooling: the same channel, at the argmax of the activation in the window.

    ``mean``: the point's sign counts; a maximum is that one activation, whatever is asked for.
    """

    window: Window
    mean: bool

    looks = True

    def back(self, points: np.ndarray, values: Values) -> Moves:
        parts = _blocks(points, np.prod(self.window.size))
        yield self.source, np.concatenate([self._block(p, values[self.source]) for p in parts])

    def _block(self, points: np.ndarray, value: np.ndarray) -> np.ndarray:
        # A tap in the padding counts as the nearest place, which the window sees as well.
        rows, columns, _ = self.window.taps(points)
        seen = value[rows, columns, points[:, CHANNEL, None, None]]
        if self.mean:
            seen = seen * points[:, SIGN, None, None]
        best = seen.reshape(len(points), -1).argmax(axis=1)
        row, column = np.divmod(best, self.window.size[1])
        every = np.arange(len(points))
        return moved(points, row=rows[every, row, 0], column=columns[every, 0, column])


@dataclass(frozen=True)
class Averaged(FromOne):
    """Global average (``mean``) or max pooling: each channel's argmax over the whole map."""

    mean: bool

    looks = True

    def back(self, points: np.ndarray, values: Values) -> Moves:
        value = values[self.source]
        seen = value.reshape(-1, value.shape[2])[:, points[:, CHANNEL]]
        best = (seen * points[:, SIGN] if self.mean else seen).argmax(axis=0)
        row, column = np.divmod(best, value.shape[1])
        yield self.source, moved(points, row=row, column=column)


@dataclass(frozen=True)
class Convolved(FromOne):
    """A convolution: the input channel that adds most, at the centre of the receptive field.

    For point (c, i, j): H_kuv = W_uvkc A_k(u, v) over the receptive field, k* = argmax_k sum_uv
    H_kuv, within c's group. ``kernel`` is float32 (kh, kw, C / groups, C').
    """

    kernel: np.ndarray
    window: Window

    looks = True

    @cached_property
    def _by_output(self) -> np.ndarray:
        """The kernel as (C', taps, C / groups): what a point needs lies together, for speed."""
        outputs, inputs = self.kernel.shape[3], self.kernel.shape[2]
        return np.ascontiguousarray(self.kernel.transpose(3, 0, 1, 2)).reshape(outputs, -1, inputs)

    def back(self, points: np.ndarray, values: Values) -> Moves:
        parts = _blocks(points, self._by_output[0].size)
        channel = np.concatenate([self._channels(p, values[self.source]) for p in parts])
        yield self.source, moved(points, channel=channel, sign=1, **self.window.centres(points))

    def _channels(self, points: np.ndarray, value: np.ndarray) -> np.ndarray:
        """k* of each point, (N,)."""
        outputs, _, inputs = self._by_output.shape
        groups = value.shape[2] // inputs
        first = points[:, CHANNEL] // (outputs // groups) * inputs
        patches = self._patches(points, value, None if groups == 1 else first)
        kernels = self._by_output[points[:, CHANNEL]]
        sums = np.einsum("ntk,ntk->nk", patches, kernels)
        return first + (sums * points[:, SIGN, None].astype(sums.dtype)).argmax(axis=1)

    def _patches(self, points: np.ndarray, value: np.ndarray, first: np.ndarray | None):
        """Receptive fields (N, taps, C / groups), 0 in the padding; ``first`` channel of a group."""
        rows, columns, inside = self.window.taps(points)
        if first is None:
            patches = value[rows, columns]
        else:
            channels = first[:, None] + np.arange(self.kernel.shape[2])
            patches = value[rows[..., None], columns[..., None], channels[:, None, None]]
        if not inside.all():
            patches[~inside] = 0
        return patches.reshape(len(points), -1, self.kernel.shape[2])


@dataclass(frozen=True)
class DepthwiseConvolved(FromOne):
    """A convolution of each channel by itself: the same channel, at the receptive field's centre."""

    multiplier: int
    window: Window

    def back(self, points: np.ndarray, values: Values) -> Moves:
        channel = points[:, CHANNEL] // self.multiplier
        yield self.source, moved(points, channel=channel, sign=1, **self.window.centres(points))


@dataclass(frozen=True)
class Weighted(FromOne):
    """A dense layer, ``kernel`` float32 (J, n): contributions C_j = W_jn a_j.

    ``single``: the layer below is a flattened map, and only argmax_j goes on; else all j with
    C_j > 0 do, each as one fixation, however many units it adds to. The source may be a map itself,
    which the kernel then covers wholly.
    """

    kernel: np.ndarray
    single: bool

    looks = True

    def back(self, points: np.ndarray, values: Values) -> Moves:
        value = values[self.source]
        units, signs = points[:, CHANNEL], points[:, SIGN]
        if self.single:
            flat = self._largest(value.ravel(), units, signs)
        else:
            flat = self._positive(value.ravel(), units, signs)
            points = np.ones((len(flat), len(NAMES)), np.int64)
        row, column, channel = np.unravel_index(flat, value.shape)
        yield self.source, moved(points, channel=channel, row=row, column=column, sign=1)

    def _contributions(self, value: np.ndarray, units: np.ndarray, signs: np.ndarray) -> Iterator:
        """(j, C_j) for blocks of those j whose value is not 0, C_j as (len(j), len(units))."""
        # Behind a ReLU most values are 0, and the kernel's rows are long.
        for rows in _blocks(np.flatnonzero(value), max(len(units), self.kernel.shape[1])):
            weights = self.kernel[rows][:, units] * signs.astype(np.float32)
            yield rows, weights * value[rows, None]

    def _positive(self, value: np.ndarray, units: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """All j that add to any of ``units``."""
        found = [j[(c > 0).any(axis=1)] for j, c in self._contributions(value, units, signs)]
        return np.concatenate([np.empty(0, np.int64), *found])

    def _largest(self, value: np.ndarray, units: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """The j that adds most to each of ``units``, (N,)."""
        most = np.full(len(units), -np.inf)
        best = np.zeros(len(units), np.int64)
        for j, added in self._contributions(value, units, signs):
            top = added.argmax(axis=0)
            here = added[top, np.arange(len(units))]
            best = np.where(here > most, j[top], best)
            most = np.maximum(most, here)
        # Where nothing adds, the values of 0 that were left out are the largest.
        for k in np.flatnonzero(most <= 0):
            best[k] = (self.kernel[:, units[k]] * value * signs[k]).argmax()
        return best


def _blocks(items: np.ndarray, numbers_each: int) -> list[np.ndarray]:
    """``items`` in parts that take about :data:`BLOCK` numbers."""
    size = max(1, BLOCK // int(numbers_each))
    return [items[k : k + size] for k in range(0, len(items), size)]
