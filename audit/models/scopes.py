"""Layer paths for a graph that was saved without its layers: read off the operations' names.

Keras calls each layer inside a scope of the layer's name, so ``model_1/base_1/relu_1/Relu`` is what
the layer ``base/relu`` returned. Scopes are cleaned of what saving and loading have added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
NUMBERED = re.compile(r".*_\d+")
# Scopes that Keras opens inside of a layer.
INSIDE = {("batchnorm",), ("moments",)}
# Made when calls are dissolved; they hand tensors on.
GLUE = "Func"

Scope = tuple[str, ...]
# Scopes, the operation's own name where no layer made it, tensor.
Entry = tuple[Scope, str, Any]


def layer_tensors(
    operations: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]
) -> dict[str, Any]:
    """Path -> tensor: what each scope hands on, and operations that stand between layers.

    Only what depends on ``inputs`` counts. In the order of the graph, innermost scopes first.
    """
    reached = _reached(operations, inputs)
    scopes = {o.name: scope for o in reached if (scope := _scope(o.name)) is not None}
    named = [o for o in reached if o.name in scopes]
    top = _model_scope(scopes.values())
    numbered = _is_numbered(named, scopes, top)
    within = _leaving(named, scopes, {t.name for t in outputs})
    holders = {()} | {scope[:k] for scope in scopes.values() for k in range(len(scope))}
    entries: list[Entry] = []
    for operation in named:
        scope = scopes[operation.name]
        for k in range(len(scope), top, -1):
            ends = within[scope[:k]]
            if len(ends) == 1 and ends[0].op is operation and scope[k - 1 : k] not in INSIDE:
                entries.append((scope[top:k], "", ends[0]))
        # Arithmetic of the model's own, outside of every layer.
        if scope in holders and scope[-1:] not in INSIDE and _is_value(operation):
            leaf = operation.name.rsplit("/", 1)[-1]
            entries.append((scope[top:], leaf, operation.outputs[0]))
    return _by_path(entries, numbered)


def _by_path(entries: Sequence[Entry], numbered: bool) -> dict[str, Any]:
    """Names for scopes. A layer that is called twice is known by its last call, as in a Keras model;
    its earlier calls keep their number."""
    taken: set[str] = set()
    named = []
    for scope, leaf, tensor in reversed(entries):
        own = (leaf,) if leaf else ()
        path = "/".join([*(_without_number(s) if numbered else s for s in scope), *own])
        path = "/".join([*scope, *own]) if path in taken else path
        taken.add(path)
        named.append((path, tensor))
    return dict(reversed(named))


def _is_value(operation: Any) -> bool:
    """True for arithmetic on real numbers, and not for what hands tensors on."""
    real = bool(operation.outputs) and operation.outputs[0].dtype.is_floating
    return real and operation.type != "Identity"


def _without_number(part: str) -> str:
    return re.sub(r"_\d+$", "", part)


def _reached(operations: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Operations that depend on ``inputs``, in the order of the graph."""
    known = {t.op for t in inputs}
    reached = []
    for operation in operations:  # topological, as the import makes it
        if any(i.op in known for i in operation.inputs):
            known.add(operation)
            reached.append(operation)
    return reached


def _scope(name: str) -> Scope | None:
    """Scopes of an operation's name below our own, without those of function calls."""
    parts = name.split("/")[1:]
    if parts[0] == GLUE:
        return None
    return tuple(part for part in parts[:-1] if not CALL.fullmatch(part))


def _model_scope(scopes: Iterable[Scope]) -> int:
    """1 where everything lies in one scope, that of the model, whose name is left out; else 0."""
    first = {scope[0] for scope in scopes if scope}
    deeper = any(len(scope) > 1 for scope in scopes)
    return int(len(first) == 1 and deeper)


def _is_numbered(operations: Iterable[Any], scopes: Mapping[str, Scope], top: int) -> bool:
    """Keras 3 numbers each layer's second call, and the first was the one that built the model.

    Its convolutions are called ``convolution``, and grouped ones stay calls; those of Keras 2 are
    called ``Conv2D``.
    """
    keras3 = any(
        (o.type == "Conv2D" and o.name.rsplit("/", 1)[-1].startswith("convolution"))
        or CALL.fullmatch(o.type)
        for o in operations
    )
    layers = {scope[top] for scope in scopes.values() if len(scope) > top}
    return keras3 and bool(layers) and all(NUMBERED.fullmatch(layer) for layer in layers)


def _leaving(
    operations: Iterable[Any], scopes: Mapping[str, Scope], outputs: set[str]
) -> dict[Scope, list[Any]]:
    """Scope -> its tensors of real numbers that something outside of it takes."""
    leaving: dict[Scope, list[Any]] = {}
    for operation in operations:
        scope = scopes[operation.name]
        for tensor in operation.outputs:
            takers = [scopes.get(c.name, ()) for c in tensor.consumers()]
            for k in range(1, len(scope) + 1):
                ends = leaving.setdefault(scope[:k], [])
                outside = any(taker[:k] != scope[:k] for taker in takers)
                if tensor.dtype.is_floating and (outside or tensor.name in outputs):
                    ends.append(tensor)
    return leaving
