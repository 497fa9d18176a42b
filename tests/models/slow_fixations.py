"""CNN Fixations once more, from the paper and literally: one point at a time, loops, no graph.

A network is a tree of :class:`Node`, put together by hand from a Keras model's weights, and its
forward pass is worked out here too. Batch norm is folded into the weights before it, as published;
:func:`scaled` is for factors that have no weights before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(eq=False)
class Node:
    """A map (H, W, C) or a vector (C,), and for a point on it the points that it is owed to.

    ``back(point, sign)`` gives (node, point, sign); sign -1: low values are asked for.
    """

    value: np.ndarray
    back: Callable | None = None


def fixations(scores: Node, unit: int, sign: int = 1) -> list[tuple[int, int]]:
    """Sorted (row, column) of every fixation; a unit of a vector is followed once."""
    seen, ends = set(), []
    waiting: list[tuple[Node, Any, int]] = [(scores, unit, sign)]
    while waiting:
        node, point, now = waiting.pop()
        if isinstance(point, int):
            if (id(node), point, now) in seen:
                continue
            seen.add((id(node), point, now))
        if node.back is None:
            ends.append(point[:2])
        else:
            waiting.extend(node.back(point, now))
    return sorted(ends)


def image(value):
    return Node(np.asarray(value, np.float64))


def pointwise(below, function):
    return Node(function(below.value), lambda point, sign: [(below, point, sign)])


def relu(below):
    return pointwise(below, lambda a: np.maximum(a, 0))


def scaled(below, scale, shift=0.0):
    """A factor per channel; a negative one turns the sign."""
    scale = np.broadcast_to(scale, below.value.shape[-1:])

    def back(point, sign):
        channel = point if isinstance(point, int) else point[2]
        return [(below, point, -sign if scale[channel] < 0 else sign)]

    return Node(below.value * scale + shift, back)


def dense(below, weights, bias=0.0):
    """Of a vector: every j with C_j > 0; of a map, flattened: the largest alone."""
    value = below.value.ravel()

    def back(unit, sign):
        added = [sign * weights[j, unit] * value[j] for j in range(len(value))]
        if below.value.ndim == 1:
            return [(below, j, 1) for j in range(len(value)) if added[j] > 0]
        best = max(range(len(value)), key=added.__getitem__)
        place = np.unravel_index(best, below.value.shape)
        return [(below, tuple(int(p) for p in place), 1)]

    return Node(value @ weights + bias, back)


def average(below):
    """Global average pooling."""
    return Node(below.value.mean(axis=(0, 1)), _brightest(below, signed=True))


def maximum(below):
    """Global max pooling."""
    return Node(below.value.max(axis=(0, 1)), _brightest(below, signed=False))


def _brightest(below, signed):
    height, width, _ = below.value.shape

    def back(channel, sign):
        best, place = -np.inf, None
        for i in range(height):
            for j in range(width):
                seen = below.value[i, j, channel] * (sign if signed else 1)
                if seen > best:
                    best, place = seen, (i, j, channel)
        return [(below, place, sign)]

    return back


def folded(kernel, bias, gamma, beta, mean, variance, epsilon=1e-3):
    """Kernel (kh, kw, in, out) and bias of a convolution with the batch norm after it."""
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, (bias - mean) * scale + beta


def padding_same(size, kernel, stride, dilation=1):
    """Rows before the map under SAME padding (tf.nn.convolution)."""
    result = -(-size // stride)
    return max((result - 1) * stride + (kernel - 1) * dilation + 1 - size, 0) // 2


def _grid(below, size, stride, padding, dilation):
    """(result's height and width, function from a place to its taps (u, v, row, column))."""
    height, width, _ = below.value.shape
    reach = [(s - 1) * dilation + 1 for s in size]
    if padding == "same":
        result = -(-height // stride), -(-width // stride)
        before = [
            padding_same(n, s, stride, dilation) for n, s in zip((height, width), size, strict=True)
        ]
    else:
        result = (height - reach[0]) // stride + 1, (width - reach[1]) // stride + 1
        before = [0, 0]

    def taps(i, j):
        for u in range(size[0]):
            for v in range(size[1]):
                row = i * stride - before[0] + u * dilation
                column = j * stride - before[1] + v * dilation
                if 0 <= row < height and 0 <= column < width:
                    yield u, v, row, column

    def centre(i, j):
        row = i * stride - before[0] + (reach[0] - 1) // 2
        column = j * stride - before[1] + (reach[1] - 1) // 2
        return min(max(row, 0), height - 1), min(max(column, 0), width - 1)

    return result, taps, centre


def conv(below, kernel, bias=0.0, stride=1, padding="valid", dilation=1):
    """Groups follow from the kernel's input channels."""
    size, inputs, outputs = kernel.shape[:2], kernel.shape[2], kernel.shape[3]
    per_group = outputs // (below.value.shape[2] // inputs)
    (height, width), taps, centre = _grid(below, size, stride, padding, dilation)

    def added(i, j, c):
        """sum_uv H_kuv for each k of the group of c."""
        first = c // per_group * inputs
        total = np.zeros(inputs)
        for u, v, row, column in taps(i, j):
            for k in range(inputs):
                total[k] += kernel[u, v, k, c] * below.value[row, column, first + k]
        return first, total

    value = np.empty((height, width, outputs))
    for i in range(height):
        for j in range(width):
            for c in range(outputs):
                value[i, j, c] = added(i, j, c)[1].sum()

    def back(point, sign):
        first, total = added(*point)
        return [(below, (*centre(*point[:2]), first + int(np.argmax(sign * total))), 1)]

    return Node(value + bias, back)


def depthwise(below, kernel, bias=0.0, stride=1, padding="valid", dilation=1):
    """``kernel`` (kh, kw, in, multiplier)."""
    size, multiplier = kernel.shape[:2], kernel.shape[3]
    (height, width), taps, centre = _grid(below, size, stride, padding, dilation)
    value = np.zeros((height, width, below.value.shape[2] * multiplier))
    for i in range(height):
        for j in range(width):
            for u, v, row, column in taps(i, j):
                value[i, j] += (kernel[u, v] * below.value[row, column, :, None]).ravel()
    return Node(
        value + bias,
        lambda point, sign: [(below, (*centre(*point[:2]), point[2] // multiplier), 1)],
    )


def pool(below, size, stride, padding, mean):
    (height, width), taps, _ = _grid(below, (size, size), stride, padding, 1)
    value = np.empty((height, width, below.value.shape[2]))
    for i in range(height):
        for j in range(width):
            seen = [below.value[row, column] for _, _, row, column in taps(i, j)]
            value[i, j] = np.mean(seen, axis=0) if mean else np.max(seen, axis=0)

    def back(point, sign):
        i, j, channel = point
        places = [(row, column, channel) for _, _, row, column in taps(i, j)]
        return [(below, max(places, key=lambda p: below.value[p] * (sign if mean else 1)), sign)]

    return Node(value, back)


def concat(*parts):
    """Along channels, or units."""

    def back(point, sign):
        *place, channel = (point,) if isinstance(point, int) else point
        for part in parts:
            if channel < part.value.shape[-1]:
                return [(part, (*place, channel) if place else channel, sign)]
            channel -= part.value.shape[-1]
        raise AssertionError("no such channel")

    return Node(np.concatenate([p.value for p in parts], axis=-1), back)


def residual(skip, branch, branch_sign=1):
    def back(point, sign):
        if sign * skip.value[point] >= sign * branch_sign * branch.value[point]:
            return [(skip, point, sign)]
        return [(branch, point, sign * branch_sign)]

    return Node(skip.value + branch_sign * branch.value, back)


def extreme(one, two, function):
    """``max`` or ``min`` of two maps: that which is the result, whatever is asked for."""

    def back(point, sign):
        return [(function((one, two), key=lambda node: node.value[point]), point, sign)]

    return Node({max: np.maximum, min: np.minimum}[function](one.value, two.value), back)


def shifted(below, value, rows, columns):
    """A padded or cropped map: a point's place in the source is ``rows``, ``columns`` less."""
    height, width, _ = below.value.shape

    def back(point, sign):
        i, j, channel = point
        i, j = min(max(i - rows, 0), height - 1), min(max(j - columns, 0), width - 1)
        return [(below, (i, j, channel), sign)]

    return Node(value, back)


def gated(below, gate):
    """Times one factor a channel: the map is followed."""
    return Node(below.value * gate, lambda point, sign: [(below, point, sign)])
