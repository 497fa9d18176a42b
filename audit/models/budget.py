"""How many numbers a model may ask for: no more than its file could hold.

A config of a hundred bytes can ask for a layer of 2e9 units. Each weight is counted before it is
made, so that such a file is refused and not built.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from audit.errors import AuditError
from audit.models.runtime import tensorflow

# Eight numbers a byte: pruned weights in a compressed file. And what any machine can hold: networks
# whose weights are made by a rule and not stored.
PER_BYTE = 8
SMALL = 10_000_000


def weights_allowed(path: Path) -> int:
    """Numbers that a model file, or the files of a folder, may ask for."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return PER_BYTE * sum(file.stat().st_size for file in files) + SMALL


@contextmanager
def weights_within(path: Path) -> Iterator[None]:
    """While this holds, Keras makes no more weights than a file of that size could fill.

    Raises
    ------
    AuditError: more are asked for.
    """
    allowed, asked = weights_allowed(path), 0

    def count(shape: Any) -> None:
        nonlocal asked
        asked += prod(int(n) for n in shape)
        if asked > allowed:
            raise AuditError(
                f"asks for {asked:.3g} weights or more, which its {path.stat().st_size:,} bytes "
                "cannot hold",
                where=f"model.path: {path}",
            )

    with _counting_keras3(count), _counting_tensorflow(count):
        yield


@contextmanager
def _counting_keras3(count: Any) -> Iterator[None]:
    """Keras 3 gives TensorFlow a function without a shape, so its own variable is watched."""
    tensorflow()
    from keras.src.backend import Variable

    original = Variable._initialize_with_initializer

    def counted(self: Any, initializer: Any) -> None:
        count(self._shape)
        original(self, initializer)

    Variable._initialize_with_initializer = counted
    try:
        yield
    finally:
        Variable._initialize_with_initializer = original


@contextmanager
def _counting_tensorflow(count: Any) -> Iterator[None]:
    """Variables that say their shape, as those of Keras 2 do."""

    def counted(make: Any, **kwargs: Any) -> Any:
        shape = kwargs.get("shape")
        if shape is not None and tensorflow().TensorShape(shape).is_fully_defined():
            count(tensorflow().TensorShape(shape).as_list())
        return make(**kwargs)

    with tensorflow().variable_creator_scope(counted):
        yield
