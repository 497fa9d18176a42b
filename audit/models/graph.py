"""Walks on a traced graph: where the logits are, and which activation an explanation looks at.

Nothing here runs the graph, and nothing depends on how the model was written: functional, nested
and subclassed models all trace to the same kinds of operations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.errors import AuditError

# Operations that change neither the values nor their order.
SHAPE_ONLY = {"Identity", "Reshape", "Cast", "Squeeze", "ExpandDims", "StopGradient", "Snapshot"}
# What may stand between the last convolution's activation and the head. Never IdentityN: the
# gradient of silu is defined on it, and is None at its input.
STEP_BACK = {"MaxPool", "MaxPoolV2", "AvgPool", "Pad", "PadV2", "MirrorPad", "Identity", "Cast"}
NHWC, NCHW = "NHWC", "NCHW"
# Turns between the two, as axes of a Transpose.
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
# What a head without an activation ends in.
LINEAR = {"MatMul", "BiasAdd", "Add", "AddV2", "Conv2D", "Mean"}
SPATIAL_SOURCES = {
    "Conv2D",
    "DepthwiseConv2dNative",
    "MaxPool",
    "MaxPoolV2",
    "AvgPool",
    "Conv2DBackpropInput",
}
CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
ATTENTION = {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}


def final_activation(output: Any) -> tuple[str, Any]:
    """The kind of the model's last activation and the tensor that goes into it.

    Returns
    -------
    ``("softmax" | "sigmoid", logits)``, or ``("none", output)`` where the graph ends in neither.
    """
    tensor = _without_shape_only(output)
    kinds = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
    if tensor.op.type in kinds:
        return kinds[tensor.op.type], tensor.op.inputs[0]
    return "none", output


def ends_linearly(output: Any) -> bool:
    """True where the graph ends in a sum, as a head without an activation does."""
    return _without_shape_only(output).op.type in LINEAR


def _without_shape_only(tensor: Any) -> Any:
    while tensor.op.type in SHAPE_ONLY and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return tensor


def is_spatial(tensor: Any, batch: int) -> bool:
    """True for four axes with the batch axis kept and more than one place, in either layout."""
    shape = tensor.shape
    if shape.rank != 4 or None in shape.as_list() or shape[0] != batch:
        return False
    height, width, _ = places(tensor)
    return height * width > 1


def places(tensor: Any) -> tuple[int, int, int]:
    """(height, width, channels) of a tensor of four axes, in either layout."""
    _, *rest = tensor.shape.as_list()
    return (rest[1], rest[2], rest[0]) if layout(tensor) == NCHW else tuple(rest)


def layout(tensor: Any) -> str:
    """``NHWC`` or ``NCHW``: how a tensor of four axes lies.

    Nothing in a tensor says so. Convolutions, pooling and the like carry it as an attribute, and a
    Transpose may turn it; other operations keep the layout of what goes in.
    """
    seen: set[str] = set()
    waiting = [(tensor, False)]
    while waiting:
        current, turned = waiting.pop()
        own = own_layout(current.op)
        if own is not None:
            return own if not turned else {NHWC: NCHW, NCHW: NHWC}[own]
        if current.name in seen:
            continue
        seen.add(current.name)
        turned ^= is_layout_turn(current.op)
        waiting.extend((i, turned) for i in reversed(current.op.inputs) if i.shape.rank == 4)
    return NHWC


def own_layout(op: Any) -> str | None:
    """The layout that an operation on images was made for; None where it has none of its own."""
    if "data_format" not in op.node_def.attr or not op.outputs or op.outputs[0].shape.rank != 4:
        return None
    # A bias is added to the last axis by the attribute's default, whatever the axes are.
    found = op.get_attr("data_format").decode()
    return found if found in (NHWC, NCHW) and op.type != "BiasAdd" else None


def is_layout_turn(op: Any) -> bool:
    """True for a Transpose between the two layouts."""
    if op.type != "Transpose" or op.outputs[0].shape.rank != 4:
        return False
    from tensorflow.python.framework import tensor_util

    axes = tensor_util.constant_value(op.inputs[1])
    return axes is not None and tuple(axes.tolist()) in (TO_NCHW, TO_NHWC)


def default_layer(logits: Any, model_input: Any, batch: int) -> tuple[Any, str]:
    """The activation that explanations look at, and why.

    Walk back from the logits to the first spatial tensors, then step back through pooling and
    padding. The rule was tried on fifteen keras.applications networks.

    Raises
    ------
    AuditError: there is no such tensor, there are several, or attention lies in between.
    """
    reached = downstream(model_input)
    found, crossed = _walk_back(logits, reached, batch)
    found = {t.name: t for t in (_step_back(t, reached, batch) for t in found)}
    found = {name: t for name, t in found.items() if _has_spatial_source(t, reached)}
    # Attention's own tensors (batch, place, head, channel) have four axes, too.
    crossed |= _ops_since_source(found.values(), reached)
    if crossed & ATTENTION and "Softmax" in crossed:
        raise AuditError(
            "attention lies between the head and the last spatial layer",
            where="explain.layer",
            hint="set explain.tokens for a transformer, or name a layer; `focus-audit layers MODEL` "
            "lists them",
        )
    if not found:
        raise AuditError(
            "the model has no spatial layer", where="explain.layer",
            expected="a convolution or pooling whose output (H, W, C) has H*W > 1 before the head",
            hint="a heatmap needs one; this model cannot be explained by this method",
        )  # fmt: skip
    if len(found) > 1:
        raise AuditError(
            "the head joins several branches: " + " and ".join(sorted(found)),
            where="explain.layer",
            hint="name one layer; `focus-audit layers MODEL` lists them",
        )
    tensor = next(iter(found.values()))
    return tensor, "last activation with H*W > 1 on the way back from the scores, before pooling"


def downstream(tensor: Any) -> set[Any]:
    """All operations that depend on ``tensor``."""
    reached: set[Any] = set()
    waiting = list(tensor.consumers())
    while waiting:
        op = waiting.pop()
        if op not in reached:
            reached.add(op)
            waiting.extend(c for out in op.outputs for c in out.consumers())
    return reached


def needs(targets: Iterable[Any], source: Any, without: Any = None) -> bool:
    """True when ``targets`` depend on ``source`` by a way that does not lead through ``without``."""
    seen: set[str] = set()
    waiting = list(targets)
    while waiting:
        tensor = waiting.pop()
        if tensor.name == source.name:
            return True
        if tensor.name in seen or (without is not None and tensor.name == without.name):
            continue
        seen.add(tensor.name)
        waiting.extend(tensor.op.inputs)
    return False


def _walk_back(start: Any, reached: set[Any], batch: int) -> tuple[list[Any], set[str]]:
    """First spatial tensors on every way back from ``start``, and the op types passed."""
    found, crossed, seen = [], set(), set()
    waiting = [start]
    while waiting:
        tensor = waiting.pop()
        if tensor.name in seen or tensor.op not in reached:
            continue
        seen.add(tensor.name)
        if is_spatial(tensor, batch):
            found.append(tensor)
            continue
        crossed.add(tensor.op.type)
        waiting.extend(tensor.op.inputs)
    return found, crossed


def _step_back(tensor: Any, reached: set[Any], batch: int) -> Any:
    while tensor.op.type in STEP_BACK or is_layout_turn(tensor.op):
        source = tensor.op.inputs[0]
        if source.op not in reached or not is_spatial(source, batch):
            break
        tensor = source
    return tensor


def _has_spatial_source(tensor: Any, reached: set[Any]) -> bool:
    """A convolution or pooling at or before ``tensor``."""
    seen: set[Any] = set()
    waiting = [tensor.op]
    while waiting:
        op = waiting.pop()
        if _is_spatial_source(op):
            return True
        if op in seen or op not in reached:
            continue
        seen.add(op)
        waiting.extend(i.op for i in op.inputs)
    return False


def _is_spatial_source(op: Any) -> bool:
    """A convolution or pooling, or the call of one: Keras 3 compiles grouped ones by themselves."""
    if op.type in SPATIAL_SOURCES:
        return True
    if op.type not in CALLS:
        return False
    name = op.get_attr("f").name
    library = op.graph.as_graph_def().library.function
    called = next((f for f in library if f.signature.name == name), None)
    return called is not None and any(n.op in SPATIAL_SOURCES for n in called.node_def)


def _ops_since_source(tensors: Iterable[Any], reached: set[Any]) -> set[str]:
    """Op types on the ways back from ``tensors`` to the nearest convolutions or pooling."""
    types: set[str] = set()
    seen: set[Any] = set()
    waiting = [t.op for t in tensors]
    while waiting:
        op = waiting.pop()
        if op in seen or op not in reached or _is_spatial_source(op):
            continue
        seen.add(op)
        types.add(op.type)
        waiting.extend(i.op for i in op.inputs)
    return types
