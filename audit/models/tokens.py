"""Transformers: the layer whose tokens are explained, and how they lie on a grid.

A vision transformer holds tokens (B, N, C): ``skip`` of them stand for no place (a class token), and
the others are the image's patches, row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from typing import Any, Literal, Protocol

import numpy as np

from audit.errors import AuditError
from audit.models.graph import ATTENTION, downstream, needs
from audit.models.runtime import tensorflow
from audit.models.trace import Trace

WHERE = "explain.tokens"
SHAPES = {"Shape", "ShapeN", "Size", "Rank"}
POOLED = "last tokens before the head, which takes all of them"
CLASS_TOKEN = (
    "what the last attention reads: behind it only the class token feeds the head, and the patches "
    "have no gradient"
)


class Tokens(Protocol):
    """``explain.tokens`` of the config."""

    @property
    def grid(self) -> Literal["auto"] | tuple[int, int]: ...

    @property
    def skip(self) -> int: ...


def token_layer(
    scores: Any, trace: Trace, batch: int, tokens: Tokens
) -> tuple[Any, tuple[int, int], str]:
    """The tokens that explanations look at, (B, N, C), their grid (rows, columns), and why.

    The last tokens on the way back from ``scores``; but where the head takes only the first of them,
    the patches' gradient is zero there, so then it is what the last attention reads.

    Raises
    ------
    AuditError: there are no tokens, or their number is not that of the grid.
    """
    last = _last_tokens(scores, trace, batch, tokens)
    grid = token_grid(last, batch, tokens)
    if not _only_first(last, scores, trace, tokens.skip):
        return last, grid, POOLED
    found = _read_by_last_attention(scores, trace, last)
    if found is None:
        raise AuditError(
            "only the class token feeds the head, and no attention was found before it",
            where=WHERE,
            hint="name a layer by explain.layer",
        )
    return found, grid, CLASS_TOKEN


def token_grid(tensor: Any, batch: int, tokens: Tokens) -> tuple[int, int]:
    """(rows, columns) of tokens (B, N, C).

    Raises
    ------
    AuditError: it is no tensor of tokens, or N is not skip + rows * columns.
    """
    shape = tensor.shape.as_list()
    if not is_tokens(tensor, batch):
        raise AuditError("the layer holds no tokens", where=WHERE,
                         expected="shape (batch, tokens, channels)", received=shape)  # fmt: skip
    count = shape[1]
    grid = _grid_of(count, tokens)
    if grid is None:
        fixed = tokens.grid != "auto"
        wanted = "x".join(map(str, tokens.grid)) if fixed else "a square"
        raise AuditError(
            f"the model has {count} tokens", where=WHERE,
            expected=f"{tokens.skip} to skip and {wanted}"
            + (f", {tokens.skip + tokens.grid[0] * tokens.grid[1]} in all" if fixed else ""),
            hint="set grid: [rows, columns] and skip: (1 with a class token, 0 without)",
        )  # fmt: skip
    return grid


def is_tokens(tensor: Any, batch: int) -> bool:
    """True for (B, N, C) of real numbers with the batch axis kept and more than one token."""
    shape = tensor.shape
    if shape.rank != 3 or None in shape.as_list() or not tensor.dtype.is_floating:
        return False
    return shape[0] == batch and shape[1] > 1


def _grid_of(count: int, tokens: Tokens) -> tuple[int, int] | None:
    places = count - tokens.skip
    if tokens.grid != "auto":
        rows, columns = tokens.grid
        return (rows, columns) if rows * columns == places else None
    side = isqrt(max(places, 0))
    return (side, side) if side > 1 and side * side == places else None


def _last_tokens(scores: Any, trace: Trace, batch: int, tokens: Tokens) -> Any:
    """The latest tokens, of a number that fits the grid, through which everything reaches the scores.

    Queries, keys and values are tokens, too, but each is one way of several.
    """
    before = sorted(_ancestors([scores], downstream(trace.pixels)), key=_age)
    found = [t for op in before for t in op.outputs if is_tokens(t, batch)]
    if not found:
        raise AuditError(
            "the model has no tokens", where=WHERE,
            expected="a layer of shape (batch, tokens, channels)",
            hint="leave explain.tokens out for a model that is no transformer",
        )  # fmt: skip
    passed: list[Any] = []
    for tensor in found:
        if needs([scores], trace.pixels, without=tensor):
            continue
        passed.append(tensor)
        # Behind the last of them the head may have parted class tokens and patches.
        if not _is_part(tensor.shape[1], tokens):
            if _grid_of(tensor.shape[1], tokens) is not None:
                return tensor
            break
    if passed:
        token_grid(max(passed, key=lambda t: t.shape[1]), batch, tokens)  # tells the numbers
    raise AuditError(
        "the scores depend on the image by a way around all tokens", where=WHERE,
        hint="name a layer by explain.layer",
    )  # fmt: skip


def _is_part(count: int, tokens: Tokens) -> bool:
    """True for as many tokens as there are without a place, or with one."""
    if count <= tokens.skip:
        return True
    if tokens.skip == 0:
        return False
    if tokens.grid != "auto":
        return count == tokens.grid[0] * tokens.grid[1]
    return isqrt(count) ** 2 == count


def _age(op: Any) -> int:
    """For sorting: the latest operation first."""
    return -op._id  # numbered as they were made; a test tells when that has changed


def _only_first(last: Any, scores: Any, trace: Trace, skip: int) -> bool:
    """True when all that the head takes of the tokens are the first ``skip``."""
    ways = [op for op in last.consumers() if _leads_to(op, scores)]
    return bool(ways) and all(_takes_first(op, trace, skip) for op in ways)


def _leads_to(op: Any, target: Any) -> bool:
    return op is target.op or any(target.op in downstream(out) for out in op.outputs)


def _takes_first(op: Any, trace: Trace, skip: int) -> bool:
    """True for a slice or gather of the tokens' axis that ends before the patches.

    Tried on the tokens' numbers: the operation is run on them, as if they were the tokens.
    """
    if op.type not in {
        "StridedSlice",
        "Slice",
        "GatherV2",
        "GatherNd",
        "Split",
        "SplitV",
        "Unpack",
    }:
        return False
    tf = tensorflow()
    data = next((t for t in op.inputs if is_tokens(t, t.shape[0] if t.shape.rank else 0)), None)
    numbers = np.arange(data.shape[1], dtype=np.float32)[None, :, None]
    numbers = np.broadcast_to(numbers, data.shape).astype(data.dtype.as_numpy_dtype)
    outputs = [t for t in op.outputs if t.consumers()]
    try:
        taken = trace.callable([data], outputs)(tf.constant(numbers))
    except (ValueError, tf.errors.OpError):  # what is taken depends on the image
        return False
    return all(bool(np.all(np.asarray(t, np.float32) < skip)) for t in taken)


def _read_by_last_attention(scores: Any, trace: Trace, last: Any) -> Any | None:
    """What queries and keys of the last attention are both made of, as wide as ``last``."""
    reached = downstream(trace.pixels)
    made_by_layers = {t.name for t in trace.layers.values()}
    before = _ancestors([scores], reached)
    softmaxes = [op for op in before if op.type == "Softmax" and op.outputs[0].shape.rank > 2]
    for softmax in sorted(softmaxes, key=_age):
        product = _product_before(softmax, reached)
        if product is None:
            continue
        queries, keys = (_ancestors([t], reached) for t in product.inputs[:2])
        both = [op.outputs[0] for op in sorted(queries & keys, key=_age) if op.outputs]
        both = [t for t in both if t.shape.rank == 3 and t.shape == last.shape]
        # A layer's own output, rather than what a projection turns it into by a transpose.
        whole = [t for t in both if t.name in made_by_layers]
        if both:
            return (whole or both)[0]
    return None


def _product_before(softmax: Any, reached: set[Any]) -> Any | None:
    """The product of queries and keys that a softmax weighs; scaling and masks lie in between."""
    op = softmax
    for _ in range(12):
        # What does not depend on the image is a scale or a mask, on either side.
        op = next((i.op for i in op.inputs if i.op in reached), None)
        if op is None or op.type in ATTENTION:
            return op
    return None


def _ancestors(tensors: Iterable[Any], reached: set[Any]) -> set[Any]:
    """Operations by whose values ``tensors`` depend on the pixels, their own included."""
    found: set[Any] = set()
    waiting = [t.op for t in tensors]
    while waiting:
        op = waiting.pop()
        if op not in found and op in reached and op.type not in SHAPES:
            found.add(op)
            waiting.extend(i.op for i in op.inputs)
    return found
