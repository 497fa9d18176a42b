"""Other rules for the backward pass through rectifiers, set while a gradient is built.

An operation's gradient is looked up by its ``_gradient_op_type`` where it has one, each time that a
gradient is built, and in the graph itself: so nested models need nothing of their own, and gradients
by several rules can be built in one graph. Setting the attribute is TensorFlow's private API; public
is only a map that has to be in force while the model is traced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from audit.errors import AuditError
from audit.models.graph import downstream
from audit.models.runtime import tensorflow
from audit.models.trace import Trace

RULES = ("guided", "deconv")
ATTRIBUTE = "_gradient_op_type"
# All are positive exactly where their input is, which is all that the rules look at.
RECTIFIERS = {"Relu", "Relu6", "LeakyRelu", "Elu", "Selu"}
# Activations, or the one operation that tells them, that have no single gradient to replace:
# gelu is written with Erf, Erfc or Tanh, mish with Softplus and Tanh.
OTHERS = {"Erf", "Erfc", "Tanh", "Softplus", "Softsign"}
# What calls a function with a graph of its own, whose gradient is made once and kept.
CALLS = {
    "PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "Case", "StatelessCase",
    "While", "StatelessWhile",
}  # fmt: skip


@contextmanager
def gradient_rule(trace: Trace, rule: str) -> Iterator[None]:
    """While gradients of ``trace`` are built, ``rule`` holds: ``plain``, ``guided`` or ``deconv``.

    With x what goes into the rectifier and g the gradient that comes back to it, the gradient of x
    is, whatever the rectifier's own derivative:

    - ``guided``: 1[x > 0] 1[g > 0] g (Springenberg et al. 2015, section 3.4)
    - ``deconv``: 1[g > 0] g (Zeiler and Fergus 2014, section 2.1)
    """
    if rule == "plain":
        yield
        return
    replaced, _ = rectifiers(trace)
    before = {op: _own(op) for op in replaced}
    try:
        for op in replaced:
            op._set_attr(ATTRIBUTE, _value(_registered(rule, op.type)))
        yield
    finally:
        for op, own in before.items():
            op._clear_attr(ATTRIBUTE)
            if own is not None:
                op._set_attr(ATTRIBUTE, _value(own))


def rectifiers(trace: Trace) -> tuple[list[Any], dict[str, int]]:
    """Operations that the rules replace, and how many of each kind they leave alone.

    Only those on the way from the image to the output count. A Relu6 that is part of a gate (hard
    sigmoid, hard swish) is no rectifier of its own: what comes back to it is not what comes back
    to the activation.

    Raises
    ------
    AuditError: some are in functions that the model calls, out of reach.
    """
    replaced: list[Any] = []
    others: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    for op in _on_the_way(trace):
        if op.type in CALLS:
            hidden.update(_inside(op))
        elif kind := _left_alone(op):
            others[kind] += 1
        elif op.type in RECTIFIERS or _is_silu(op):
            replaced.append(op)
    if hidden:
        raise AuditError(
            f"rectifiers inside a function that the model calls: {', '.join(counted(hidden))}",
            where="explain.method",
            hint="guided backpropagation and deconvnet cannot reach into a tf.function or a loop; "
            "leave them out, or save the model without",
        )
    return replaced, others


def _on_the_way(trace: Trace) -> list[Any]:
    """Operations between the pixels and the output, in the graph's order."""
    reached = downstream(trace.floats)
    seen: set[Any] = set()
    waiting = [trace.output.op]
    while waiting:
        op = waiting.pop()
        if op in reached and op not in seen:
            seen.add(op)
            waiting.extend(i.op for i in op.inputs)
    return [op for op in trace.function.graph.get_operations() if op in seen]


def _left_alone(op: Any) -> str | None:
    """The kind of an activation, or of a part of one, that the rules do not replace."""
    if op.type in OTHERS:
        return op.type
    if op.type == "Relu6" and _is_gate(op):
        return "Relu6 of gates"
    if op.type == "Relu" and op.inputs[0].op.type == "Neg":
        return "Relu of a PReLU's negative side"
    if op.type == "Sigmoid" and _is_written_out_silu(op):
        return "Sigmoid times its input"
    return None


def _is_gate(op: Any) -> bool:
    """relu6(x + 3) / 6, which is multiplied with something after that."""
    added = op.inputs[0].op
    shifted = added.type in ("Add", "AddV2") and any(_is_constant(i, 3) for i in added.inputs)
    users = op.outputs[0].consumers()
    return shifted and all(
        (user.type == "RealDiv" and _is_constant(user.inputs[1], 6))
        or (user.type == "Mul" and any(_is_constant(i, 1 / 6) for i in user.inputs))
        for user in users
    )


def _is_constant(tensor: Any, value: float) -> bool:
    found = tensorflow().get_static_value(tensor)
    # Half precision holds 1/6 to three digits.
    return found is not None and found.size == 1 and abs(float(found.item()) - value) < 1e-3 * value


def _is_silu(op: Any) -> bool:
    """``tf.nn.silu``: IdentityN of (x * sigmoid(beta * x), x, ...), which carries its gradient."""
    if op.type != "IdentityN" or len(op.inputs) < 2 or op.inputs[0].op.type != "Mul":
        return False
    factors = op.inputs[0].op.inputs
    return any(
        own.name == op.inputs[1].name and other.op.type == "Sigmoid"
        for own, other in (factors, factors[::-1])
    )


def _is_written_out_silu(op: Any) -> bool:
    """x * sigmoid(x) without the gradient that ``tf.nn.silu`` comes with."""
    return any(
        user.type == "Mul"
        and any(i.name == op.inputs[0].name for i in user.inputs)
        and not any(_is_silu(next_op) for next_op in user.outputs[0].consumers())
        for user in op.outputs[0].consumers()
    )


def _inside(call: Any) -> Counter[str]:
    """How many rectifiers of each type are in the functions that an operation calls."""
    library = {f.signature.name: f for f in call.graph.as_graph_def().library.function}
    found: Counter[str] = Counter()
    waiting, seen = _called(call.node_def), set()
    while waiting:
        name = waiting.pop()
        if name in library and name not in seen:
            seen.add(name)
            for node in library[name].node_def:
                found.update([node.op] if node.op in RECTIFIERS else [])
                waiting.extend(_called(node))
    return found


def _called(node: Any) -> list[str]:
    values = node.attr.values()
    return [v.func.name for v in values if v.func.name] + [
        f.name for v in values for f in v.list.func
    ]


def _own(op: Any) -> str | None:
    try:
        return op.get_attr(ATTRIBUTE).decode()
    except ValueError:
        return None


def _value(name: str) -> Any:
    from tensorflow.core.framework.attr_value_pb2 import AttrValue

    return AttrValue(s=name.encode())


@cache
def _registered(rule: str, kind: str) -> str:
    """The name under which TensorFlow knows a rule for operations of a type."""
    name = f"FocusAudit_{rule}_{kind}"
    place = 1 if kind == "IdentityN" else 0

    def gradient(op: Any, *gradients: Any) -> list[Any]:
        found: list[Any] = [None] * len(op.inputs)
        found[place] = _ruled(rule, op.inputs[place], gradients[0])
        return found

    tensorflow().RegisterGradient(name)(gradient)
    return name


def _ruled(rule: str, x: Any, gradient: Any) -> Any:
    """The rule's gradient; written so that NaN stays."""
    tf = tensorflow()
    zero = tf.zeros_like(gradient)
    kept = tf.where(gradient < 0, zero, gradient)
    return tf.where(x <= 0, zero, kept) if rule == "guided" else kept


def counted(kinds: Mapping[str, int]) -> list[str]:
    """ "28 Relu6 of gates" and the like."""
    return [f"{n} {kind}" for kind, n in sorted(kinds.items())]
