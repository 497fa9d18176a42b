"""How each kind of operation is read as a step of CNN Fixations: one function per kind.

To add one: a function of the reader and a tensor, decorated with the TensorFlow types it reads. An
operation that has none is named in an error. Operations are read as Keras 3 traces them on a CPU: a
dilated convolution is three of them, a grouped one is a call of a function, and a batch norm is a
Mul and an AddV2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from audit.models.fixation_graph import CALLS, CONVOLUTIONS, Convolution, GraphReader
from audit.models.fixation_steps import (
    CHANNEL,
    COLUMN,
    ROW,
    Averaged,
    Chosen,
    Convolved,
    DepthwiseConvolved,
    Joined,
    Moved,
    Passed,
    Pooled,
    Reshaped,
    Shape,
    Step,
    Weighted,
    Window,
)

RESHAPES = {"Reshape", "Squeeze", "ExpandDims"}
# Each value of the result depends on one value of each operand. Those of one operand that are not
# monotone, and functions written as several operations (swish, gelu), count as rising.
SUMS = {"Add", "AddV2", "AddN", "Sub"}
EXTREMES = {"Maximum", "Minimum"}
POINTWISE = SUMS | EXTREMES | {
    "Identity", "IdentityN", "Cast", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics",
    "EnsureShape", "BiasAdd", "Mul", "RealDiv", "Neg", "Relu", "Relu6", "Elu", "Selu", "LeakyRelu",
    "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Expm1", "Log", "Log1p", "Sqrt", "Square",
    "Pow", "Abs", "Erf", "Erfc", "ClipByValue", "Greater", "GreaterEqual", "Less", "LessEqual",
    "Select", "SelectV2", "SquaredDifference", "Rsqrt", "Reciprocal",
}  # fmt: skip
# What makes the gate of a product, where both sides are of one shape.
GATES = {"Sigmoid", "Softmax"}

READERS: dict[str, Callable[[GraphReader, Any], Step]] = {}


def _reads(*types: str) -> Callable:
    def add(function: Callable) -> Callable:
        READERS.update(dict.fromkeys(types, function))
        return function

    return add


@_reads(*POINTWISE)
def _pointwise(reader: GraphReader, tensor: Any) -> Step:
    op, shape = tensor.op, reader.shape(tensor)
    root = _pointwise_root(reader, tensor)
    if root is not None:
        return Passed(root.name, shape, _factor(reader, op, root))
    maps = [t for t in reader.data(tensor) if _is_map(reader, t, tensor)]
    if op.type == "Mul" and len(maps) > 1:
        maps = [t for t in maps if t.op.type not in GATES]
    if len(maps) == 1 and op.type in SUMS | {"Mul", "RealDiv"}:
        # The rest is a gate (squeeze-and-excite), or a mean or deviation (layer normalisation).
        return Passed(maps[0].name, shape, _factor(reader, op, maps[0]))
    if len(maps) > 1 and op.type in SUMS | EXTREMES:
        return _chosen(reader, op, maps)
    raise reader.cannot(tensor, "none of its operands is a map that the others scale or shift")


def _is_map(reader: GraphReader, tensor: Any, result: Any) -> bool:
    """False for an operand of ``result`` that holds one value for many of its places or channels.

    Such a value may have been spread to the whole shape before, as by a factor for each channel.
    """
    if tensor.shape.as_list() != result.shape.as_list():
        return False
    operands = reader.data(tensor)
    if tensor.op.type not in POINTWISE or not operands:
        return True
    return any(_is_map(reader, t, result) for t in operands)


def _factor(reader: GraphReader, op: Any, followed: Any) -> np.ndarray | None:
    """What an operation multiplies ``followed`` by, (1 or H, 1 or W, 1 or C); None if positive."""
    if op.type in {"Neg", "Erfc"}:
        return np.full((1, 1, 1), -1)
    if op.type == "Sub":
        return np.full((1, 1, 1), -1) if op.inputs[1].name == followed.name else None
    others = [t for t in op.inputs if t.name != followed.name]
    if op.type not in {"Mul", "RealDiv"} or len(others) != 1:
        return None
    (other,) = others
    if reader.is_data(other):
        operands = reader.data(other)
        return _factor(reader, other.op, operands[0]) if len(operands) == 1 else None
    if not reader.is_constant(other):
        return None
    factor = reader.constant(other)
    if op.type == "RealDiv" and op.inputs[1].name == followed.name:
        factor = -factor
    return factor.reshape((1,) * (3 - factor.ndim) + factor.shape[-3:])


def _pointwise_root(reader: GraphReader, tensor: Any) -> Any | None:
    """The one activation that ``tensor`` is a function of, value by value, as swish(x) is of x.

    The latest of the operands is replaced by its own, until one is left.
    """
    frontier = {t.name: t for t in reader.data(tensor)}
    if not frontier:
        return None
    while len(frontier) > 1:
        latest = max(frontier.values(), key=reader.order)
        operands = reader.data(latest)
        if latest.op.type not in POINTWISE or not operands:
            return None
        if any(t.shape.as_list() != tensor.shape.as_list() for t in [latest, *operands]):
            return None
        del frontier[latest.name]
        frontier |= {t.name: t for t in operands}
    (root,) = frontier.values()
    return root if root.shape.as_list() == tensor.shape.as_list() else None


def _chosen(reader: GraphReader, op: Any, maps: list[Any]) -> Step:
    """The skip is the operand with fewer layers of weights before it."""
    signs = {t.name: 1 for t in maps}
    if op.type == "Minimum":
        signs = dict.fromkeys(signs, -1)
    elif op.type == "Sub":
        signs[op.inputs[1].name] = -1
    operands = sorted(maps, key=lambda t: reader.depth.get(t.op, 0))
    return Chosen(tuple((t.name, signs[t.name]) for t in operands), fixed=op.type in EXTREMES)


@_reads("Softmax", "LogSoftmax")
def _softmax(reader: GraphReader, tensor: Any) -> Step:
    return Passed(tensor.op.inputs[0].name, reader.shape(tensor))


@_reads("Transpose")
def _transposed(reader: GraphReader, tensor: Any) -> Step:
    """One that changes nothing, as a dense layer at places makes in a SavedModel."""
    image, order = tensor.op.inputs
    if reader.constant(order).tolist() != list(range(image.shape.rank)):
        raise reader.cannot(tensor, "it changes the order of axes")
    return Passed(image.name, reader.shape(tensor))


@_reads("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def _fused_batch_norm(reader: GraphReader, tensor: Any) -> Step:
    image, scale = tensor.op.inputs[:2]
    return Passed(image.name, reader.shape(tensor), reader.constant(scale)[None, None])


@_reads(*CONVOLUTIONS, *CALLS)
def _convolution(reader: GraphReader, tensor: Any) -> Step:
    found = reader.convolution(tensor.op)
    if found is None:
        raise reader.cannot(tensor, "it calls a function that is not one convolution")
    if found.node.attr["data_format"].s == b"NCHW":
        raise reader.cannot(tensor, "channels come first")
    size = reader.constant(found.kernel).shape[:2]
    shape = reader.shape(found.image)
    return _convolved(reader, found, _window(found.node, shape, reader.shape(tensor), size))


@_reads("BatchToSpaceND")
def _dilated(reader: GraphReader, tensor: Any) -> Step:
    """A dilated convolution: the gaps are moved to the batch axis, and back after it."""
    found = reader.convolution(tensor.op.inputs[0].op)
    before = found.image.op if found else None
    if (
        before is None
        or before.type != "SpaceToBatchND"
        or found.node.attr["padding"].s != b"VALID"
    ):
        raise reader.cannot(tensor, "it is no part of a dilated convolution")
    gaps, padding = (reader.constant(t) for t in before.inputs[1:3])
    crops = reader.constant(tensor.op.inputs[2])
    window = Window(
        shape=reader.shape(before.inputs[0]),
        size=reader.constant(found.kernel).shape[:2],
        stride=(1, 1),
        dilation=tuple(gaps.tolist()),
        padding=tuple((padding - crops)[:, 0].tolist()),
    )
    return _convolved(reader, Convolution(found.node, before.inputs[0], found.kernel), window)


def _convolved(reader: GraphReader, found: Convolution, window: Window) -> Step:
    kernel, name = reader.constant(found.kernel), found.image.name
    height, width, channels = window.shape
    if found.depthwise:
        return DepthwiseConvolved(name, kernel.shape[3], window)
    covers = window.size == (height, width) and window.padding == (0, 0)
    if covers and kernel.shape[2] == channels:
        # A dense layer that is written as a convolution, as heads are in some models.
        return Weighted(name, kernel.reshape(-1, kernel.shape[3]), single=height * width > 1)
    return Convolved(name, kernel, window)


def _window(node: Any, shape: Shape, result: Shape, size: tuple[int, int]) -> Window:
    """The window of a convolution or pooling from ``shape`` to ``result``."""
    stride = tuple(node.attr["strides"].list.i)[1:3]
    dilation = tuple(node.attr["dilations"].list.i)[1:3] or (1, 1)
    kind = node.attr["padding"].s
    padding = (0, 0)
    if kind == b"EXPLICIT":
        padding = tuple(node.attr["explicit_paddings"].list.i)[2:6:2]
    elif kind == b"SAME":
        padding = tuple(
            max((result[k] - 1) * stride[k] + (size[k] - 1) * dilation[k] + 1 - shape[k], 0) // 2
            for k in (0, 1)
        )
    return Window(shape, tuple(size), stride, dilation, padding)


@_reads("MaxPool", "AvgPool")
def _pool(reader: GraphReader, tensor: Any) -> Step:
    node, image = tensor.op.node_def, tensor.op.inputs[0]
    if node.attr["data_format"].s == b"NCHW":
        raise reader.cannot(tensor, "channels come first")
    size = tuple(node.attr["ksize"].list.i)[1:3]
    window = _window(node, reader.shape(image), reader.shape(tensor), size)
    return Pooled(image.name, window, mean=node.op == "AvgPool")


@_reads("Mean", "Max")
def _global_pool(reader: GraphReader, tensor: Any) -> Step:
    image, axes = tensor.op.inputs
    rank = image.shape.rank
    over = {int(a) % rank for a in reader.constant(axes).ravel()}
    if rank != 4 or over != {1, 2}:
        raise reader.cannot(tensor, f"it is over axes {sorted(over)} and not over all places")
    reader.shape(image)
    return Averaged(image.name, mean=tensor.op.type == "Mean")


@_reads("MatMul")
def _dense(reader: GraphReader, tensor: Any) -> Step:
    kernel, image = _dense_kernel(reader, tensor), tensor.op.inputs[0]
    return Weighted(image.name, kernel, single=_is_flat_map(reader, image))


def _dense_kernel(reader: GraphReader, tensor: Any) -> np.ndarray:
    op = tensor.op
    image, weights = op.inputs
    if not reader.is_data(image) or reader.is_data(weights) or op.get_attr("transpose_a"):
        raise reader.cannot(tensor, "its second operand is no constant weight")
    kernel = reader.constant(weights)
    return kernel.T if op.get_attr("transpose_b") else kernel


def _is_flat_map(reader: GraphReader, tensor: Any) -> bool:
    """True for a vector that is a map, flattened, with at most elementwise operations since."""
    if tensor.op.type in RESHAPES:
        height, width, _ = reader.shape(_unreshaped(tensor))
        return height * width > 1
    through = POINTWISE | {"ConcatV2", "FusedBatchNormV3"}
    return tensor.op.type in through and any(_is_flat_map(reader, t) for t in reader.data(tensor))


def _unreshaped(tensor: Any) -> Any:
    while tensor.op.type in RESHAPES:
        tensor = tensor.op.inputs[0]
    return tensor


@_reads(*RESHAPES)
def _reshaped(reader: GraphReader, tensor: Any) -> Step:
    # What lies between two reshapes may have any number of axes.
    image = _unreshaped(tensor)
    if image.op.type == "MatMul" and tensor.shape.rank == 4:
        below = _unreshaped(image.op.inputs[0])
        if below.shape.rank == 4 and below.shape[:3].as_list() == tensor.shape[:3].as_list():
            return _dense_at_places(reader, image, below)
    return Reshaped(image.name, reader.shape(image), reader.shape(tensor))


def _dense_at_places(reader: GraphReader, product: Any, below: Any) -> Step:
    """A dense layer at every place of the map ``below``: a convolution with a kernel of 1x1."""
    window = Window(reader.shape(below), (1, 1), (1, 1), (1, 1), (0, 0))
    kernel = _dense_kernel(reader, product)[None, None]
    return Convolved(below.name, kernel, window)


@_reads("ConcatV2")
def _joined(reader: GraphReader, tensor: Any) -> Step:
    *values, axis = tensor.op.inputs
    rank = tensor.shape.rank
    number = int(reader.constant(axis)) % rank
    columns = {1: CHANNEL} if rank == 2 else {1: ROW, 2: COLUMN, 3: CHANNEL}
    if number not in columns:
        raise reader.cannot(tensor, "it joins images")
    parts = ((t.name if reader.is_data(t) else None, t.shape[number]) for t in values)
    return Joined(tuple(parts), columns[number])


def _looked_up(reader: GraphReader, tensor: Any, look_up: Callable) -> Step:
    """A step whose ``look_up(axis, length)`` gives the source's index along axes 1, 2 and 3."""
    image = tensor.op.inputs[0]
    if image.shape.rank != 4:
        raise reader.cannot(tensor, "it works on no map")
    return Moved(image.name, *(look_up(k, n) for k, n in enumerate(reader.shape(image), start=1)))


@_reads("Pad", "PadV2", "MirrorPad")
def _padded(reader: GraphReader, tensor: Any) -> Step:
    """A point in the padding goes to the nearest place; a channel that is padding has none."""
    op = tensor.op
    widths = reader.constant(op.inputs[1])
    mode = op.get_attr("mode").decode().lower() if op.type == "MirrorPad" else "edge"

    def look_up(axis: int, length: int) -> np.ndarray:
        index = np.arange(length)
        if axis == 3 and mode == "edge":
            return np.pad(index, widths[axis], constant_values=-1)
        return np.pad(index, widths[axis], mode=mode)

    return _looked_up(reader, tensor, look_up)


@_reads("StridedSlice")
def _sliced(reader: GraphReader, tensor: Any) -> Step:
    slices = _slices(reader, tensor)
    return _looked_up(reader, tensor, lambda axis, length: np.arange(length)[slices[axis]])


def _slices(reader: GraphReader, tensor: Any) -> list[slice]:
    """One slice per axis, as the masks of a StridedSlice say."""
    op, rank = tensor.op, tensor.op.inputs[0].shape.rank
    begins, ends, strides = (reader.constant(t).tolist() for t in op.inputs[1:4])
    masks = {name: op.get_attr(f"{name}_mask") for name in
             ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}  # fmt: skip
    if masks["new_axis"] or masks["shrink_axis"]:
        raise reader.cannot(tensor, "it adds or drops an axis")
    found = []
    for k, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if masks["ellipsis"] >> k & 1:
            found += [slice(None)] * (rank - len(begins) + 1)
        else:
            open_begin, open_end = masks["begin"] >> k & 1, masks["end"] >> k & 1
            found.append(slice(None if open_begin else begin, None if open_end else end, stride))
    return found + [slice(None)] * (rank - len(found))


@_reads("ReverseV2")
def _reversed(reader: GraphReader, tensor: Any) -> Step:
    axes = {int(a) % 4 for a in reader.constant(tensor.op.inputs[1]).ravel()}
    return _looked_up(
        reader, tensor, lambda axis, n: np.arange(n)[:: -1 if axis in axes else 1]
    )  # fmt: skip


@_reads("ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor", "ResizeArea")
def _resized(reader: GraphReader, tensor: Any) -> Step:
    """The source's pixel under the centre of each of the result's."""
    result = (0, *reader.shape(tensor))
    return _looked_up(
        reader, tensor,
        lambda axis, n: ((np.arange(result[axis]) + 0.5) * n / result[axis]).astype(np.int64),
    )  # fmt: skip
