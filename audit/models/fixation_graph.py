"""Reads a traced graph, from the scores back to the image, as the steps of CNN Fixations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from audit.errors import AuditError
from audit.models.fixation_steps import Shape, Step
from audit.models.graph import downstream
from audit.models.runtime import tensorflow
from audit.models.trace import Trace

CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}
CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
HINT = "leave cnn_fixations out of explain.method for this model"


@dataclass(frozen=True)
class Convolution:
    """A convolution of the graph: its attributes (a NodeDef), the tensors of image and kernel."""

    node: Any
    image: Any
    kernel: Any

    @property
    def depthwise(self) -> bool:
        return self.node.op == "DepthwiseConv2dNative"


class GraphReader:
    """The operations between ``source`` (B, H, W, C) and tensors that depend on it.

    ``readers``: type of an operation -> function of the reader and a tensor that such an operation
    made, which gives the step back from it.
    """

    def __init__(self, trace: Trace, source: Any, batch: int, readers: Mapping) -> None:
        self._trace = trace
        self._readers = readers
        self._graph = trace.function.graph
        self._source = source
        self._batch = batch
        self._reached = downstream(source)
        # An operation is made after those that it depends on.
        self._order = {op: k for k, op in enumerate(self._graph.get_operations())}
        self._convolutions: dict[str, Convolution | None] = {}
        self._constants: dict[str, np.ndarray] = {}

    def steps(self, scores: Any) -> list[tuple[Any, Step]]:
        """(tensor, the step back from it), each after all tensors whose steps lead to it.

        Raises
        ------
        AuditError: an operation on the way that cannot be walked, by name and type.
        """
        if not self.is_data(scores):
            raise self.cannot(scores, "it does not depend on the image")
        self._constants = self._evaluated(self._operations(scores))
        found: dict[str, tuple[Any, Step]] = {}
        waiting = [scores]
        while waiting:
            tensor = waiting.pop()
            if tensor.name not in found and tensor.name != self._source.name:
                step = self._read(tensor)
                found[tensor.name] = tensor, step
                waiting.extend(self._graph.get_tensor_by_name(name) for name in step.sources)
        return sorted(found.values(), key=lambda entry: -self._order[entry[0].op])

    def _read(self, tensor: Any) -> Step:
        self.shape(tensor)
        reader = self._readers.get(tensor.op.type)
        if reader is None:
            raise self.cannot(tensor)
        return reader(self, tensor)

    def cannot(self, tensor: Any, reason: str = "") -> AuditError:
        """The error that names the operation of ``tensor``."""
        op = tensor.op
        return AuditError(
            f"CNN fixations cannot walk through operation {op.name!r} of type {op.type}"
            + (f": {reason}" if reason else ""),
            where="explain.method",
            hint=HINT,
        )

    def shape(self, tensor: Any) -> Shape:
        """(H, W, C) of a map (B, H, W, C); (1, 1, C) of a vector (B, C)."""
        shape = tensor.shape.as_list() if tensor.shape.rank is not None else []
        if len(shape) not in (2, 4) or None in shape or shape[0] != self._batch:
            raise self.cannot(tensor, f"its result {shape} is no map and no vector of each image")
        return (1, 1, shape[1]) if len(shape) == 2 else tuple(shape[1:])

    def is_data(self, tensor: Any) -> bool:
        """True where ``tensor`` depends on the image."""
        return tensor.op in self._reached or tensor.name == self._source.name

    def data(self, tensor: Any) -> list[Any]:
        """What ``tensor`` is made of that depends on the image, each once."""
        if tensor.name == self._source.name:
            return []
        op = tensor.op
        # An IdentityN hands each of its inputs on by itself.
        inputs = [op.inputs[tensor.value_index]] if op.type == "IdentityN" else op.inputs
        return list({t.name: t for t in inputs if self.is_data(t)}.values())

    def is_constant(self, tensor: Any) -> bool:
        """True where ``tensor`` depends on no input, so that its value is known."""
        return tensor.name in self._constants

    def constant(self, tensor: Any) -> np.ndarray:
        """Value of a weight or another constant."""
        if not self.is_constant(tensor):
            raise self.cannot(tensor, "its value is no constant of the model")
        return self._constants[tensor.name]

    def order(self, tensor: Any) -> int:
        return self._order[tensor.op]

    def _operations(self, scores: Any) -> list[Any]:
        """All operations between the image and ``scores``."""
        found: set[Any] = set()
        waiting = [scores]
        while waiting:
            tensor = waiting.pop()
            if tensor.op not in found and tensor.name != self._source.name:
                found.add(tensor.op)
                waiting.extend(t for t in tensor.op.inputs if self.is_data(t))
        return sorted(found, key=self._order.__getitem__)

    def _evaluated(self, operations: Iterable[Any]) -> dict[str, np.ndarray]:
        """Values of the weights and other constants that ``operations`` take, in one run."""
        beside = downstream(self._trace.pixels)
        varying = {op for t in self._trace.extras.values() for op in [t.op, *downstream(t)]}
        found: dict[str, Any] = {}
        for op in operations:
            inputs = list(op.inputs)
            if op.type in CALLS and (inner := self.convolution(op)):
                inputs.append(inner.kernel)
            for tensor in inputs:
                if self.is_data(tensor) or tensor.op in varying or not _has_value(tensor):
                    continue
                if tensor.op in beside or tensor.name == self._trace.pixels.name:
                    raise self.cannot(
                        tensor, "it takes the pixels by a way around the model's input"
                    )
                found[tensor.name] = tensor
        values = self._trace.callable([], list(found.values()))() if found else []
        return {name: _array(value) for name, value in zip(found, values, strict=True)}

    @cached_property
    def depth(self) -> dict[Any, int]:
        """For each operation, the convolutions and dense layers on the longest way to it."""
        depths: dict[Any, int] = {}
        weights = CONVOLUTIONS | CALLS | {"MatMul"}
        for op in self._order:
            if op in self._reached:
                before = max((depths.get(t.op, 0) for t in op.inputs), default=0)
                depths[op] = before + (op.type in weights)
        return depths

    def convolution(self, op: Any) -> Convolution | None:
        """The convolution that ``op`` is, or calls and does nothing else; None for other ones."""
        if op.name not in self._convolutions:
            if op.type in CALLS:
                self._convolutions[op.name] = self._called(op)
            elif op.type in CONVOLUTIONS:
                self._convolutions[op.name] = Convolution(op.node_def, op.inputs[0], op.inputs[1])
            else:
                return None
        return self._convolutions[op.name]

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return {f.signature.name: f for f in self._graph.as_graph_def().library.function}

    def _called(self, op: Any) -> Convolution | None:
        """The one convolution in the function that ``op`` calls: grouped ones on a CPU."""
        function = self._functions[op.get_attr("f").name]
        kinds = {node.op for node in function.node_def}
        if len(kinds & CONVOLUTIONS) != 1 or kinds - CONVOLUTIONS - {
            "ReadVariableOp", "Identity", "NoOp", "Cast",
        }:  # fmt: skip
            return None
        nodes = {node.name: node for node in function.node_def}
        (node,) = (n for n in function.node_def if n.op in CONVOLUTIONS)
        arguments = {
            a.name: t for a, t in zip(function.signature.input_arg, op.inputs, strict=True)
        }
        image, kernel = (self._argument(name, nodes, arguments) for name in node.input[:2])
        return Convolution(node, image, kernel)

    def _argument(self, name: str, nodes: dict[str, Any], arguments: dict[str, Any]) -> Any:
        """The caller's tensor behind an input of an operation in a function."""
        tf = tensorflow()
        read = None
        while (name := name.split(":")[0]) in nodes:
            if nodes[name].op == "ReadVariableOp":
                read = tf.dtypes.as_dtype(nodes[name].attr["dtype"].type)
            name = nodes[name].input[0]
        if read is None:
            return arguments[name]
        with self._graph.as_default():
            return tf.raw_ops.ReadVariableOp(resource=arguments[name], dtype=read)


def _has_value(tensor: Any) -> bool:
    return tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool


def _array(tensor: Any) -> np.ndarray:
    """The tensor's own memory, float32 where it holds real numbers: a kernel may be 400 MB."""
    if tensor.dtype.is_floating:
        tensor = tensorflow().cast(tensor, "float32")
    return np.asarray(memoryview(tensor))
