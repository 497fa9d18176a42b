"""The weights of a head that is global average pooling and one dense layer, for CAM."""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.errors import AuditError
from audit.models.graph import NCHW, SHAPE_ONLY, downstream, layout
from audit.models.runtime import tensorflow
from audit.models.trace import Trace

SUMS = {"BiasAdd", "Add", "AddV2"}
# What may lie between the layer and its mean: the values stay as and where they are.
SAME = {"Identity", "Cast"}


def head_weights(trace: Trace, scores: Any, layer: Any) -> np.ndarray:
    """``W`` float32 (C, n) where ``scores`` are ``mean_ij(layer) W + b``.

    A 1x1 convolution of the pooled (1, 1, C) is a dense layer, too.

    Raises
    ------
    AuditError: the head is another one; the message names its operations.
    """
    reached = downstream(layer)
    weights = _dense_after_mean(scores, layer, reached)
    if weights is None or weights.op in downstream(trace.pixels):
        raise AuditError(
            "cam needs a head of global average pooling and one dense layer",
            where="explain.method",
            expected="Mean over height and width, MatMul, BiasAdd",
            received=_between(scores, layer, reached),
            hint="use gradcam, which is the same where cam is defined and takes any head",
        )
    (value,) = trace.callable([], [weights])()
    return np.asarray(value, np.float32)


def _dense_after_mean(scores: Any, layer: Any, reached: set[Any]) -> Any | None:
    """The tensor of W (C, n), or None."""
    tensor = _skip(scores, SHAPE_ONLY)
    if tensor.op.type in SUMS:
        ways = [i for i in tensor.op.inputs if i.op in reached]
        if len(ways) != 1:  # a sum of two branches
            return None
        tensor = _skip(ways[0], SHAPE_ONLY)
    weights = _kernel(tensor.op)
    if weights is None or not _is_mean_of(_skip(tensor.op.inputs[0], SHAPE_ONLY), layer):
        return None
    return weights


def _kernel(op: Any) -> Any | None:
    """W (C, n) of a matrix product or of a 1x1 convolution."""
    tf = tensorflow()
    if op.type == "MatMul" and not op.get_attr("transpose_a"):
        weights = op.inputs[1]
        with op.graph.as_default():
            return tf.transpose(weights) if op.get_attr("transpose_b") else weights
    if op.type == "Conv2D" and op.inputs[0].shape[1:3] == (1, 1):
        height, width, channels, n = op.inputs[1].shape.as_list()
        if (height, width, channels) == (1, 1, op.inputs[0].shape[3]):
            with op.graph.as_default():
                return tf.reshape(op.inputs[1], (channels, n))
    return None


def _is_mean_of(tensor: Any, layer: Any) -> bool:
    """True for the mean of ``layer``, (B, h, w, C) or (B, C, h, w), over h and w."""
    op = tensor.op
    if op.type not in ("Mean", "AvgPool") or layer.shape.rank != 4:
        return False
    sides = (2, 3) if layout(layer) == NCHW else (1, 2)
    if op.type == "Mean":
        axes = tensorflow().get_static_value(op.inputs[1])
        pooled = axes is not None and tuple(sorted(np.ravel(axes) % 4)) == sides
    else:  # one window over all of it
        window = [n if k in sides else 1 for k, n in enumerate(op.inputs[0].shape.as_list())]
        pooled = op.get_attr("ksize") == window and op.get_attr("padding") == b"VALID"
    return pooled and _skip(op.inputs[0], SAME, until=layer).name == layer.name


def _skip(tensor: Any, types: set[str], until: Any = None) -> Any:
    """Step back through operations of these types."""
    while tensor.op.type in types and (until is None or tensor.name != until.name):
        tensor = tensor.op.inputs[0]
    return tensor


def _between(scores: Any, layer: Any, reached: set[Any]) -> list[str]:
    """Types of the operations from the scores back to the layer, in the order they are met."""
    types: list[str] = []
    waiting, seen = [scores.op], {layer.op}
    while waiting:
        op = waiting.pop(0)
        if op in reached and op not in seen:
            seen.add(op)
            types.append(op.type)
            waiting.extend(i.op for i in op.inputs)
    return types
