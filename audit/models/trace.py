"""One trace of a model, with the output of every layer in it, nested ones included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from audit.errors import AuditError
from audit.models.runtime import tensorflow

OPEN_SIZE_HINT = "set model.input_size: [height, width]"


@dataclass(frozen=True)
class Trace:
    """A traced model: uint8 pixels in, the model's output at the end, every layer in between."""

    function: Any
    """The wrapped function; :meth:`callable` cuts parts out of it."""
    pixels: Any
    """Input tensor, uint8 (B, H, W, C)."""
    output: Any
    layers: dict[str, Any]
    """Layer path -> its output tensor, in the order of the calls; innermost layers first."""

    def callable(self, feeds: Sequence[Any], fetches: Sequence[Any]) -> Any:
        """The part of the graph between ``feeds`` and ``fetches``, as a function of tensors.

        Wrapped once more, since a pruned function has no signature: called by itself it formats its
        arguments into an error message first, which costs more than some backward passes.
        """
        tf = tensorflow()
        pruned = self.function.prune(list(feeds), list(fetches))
        signature = [
            tf.TensorSpec(f.shape, f.dtype, name=f"input_{i}") for i, f in enumerate(feeds)
        ]
        return tf.function(pruned, input_signature=signature).get_concrete_function()

    def path_of(self, tensor: Any) -> str:
        """Path of the layer that made ``tensor``; the graph's own name where no layer did."""
        return next((p for p, t in self.layers.items() if t.name == tensor.name), tensor.op.name)


def trace_model(model: Any, batch: int, size: tuple[int, int, int], prepare: Callable) -> Trace:
    """Trace ``prepare`` and ``model`` on uint8 pixels of exactly (batch, *size).

    The exact shape is part of the promise of same bytes: a batch of another size may round another
    way, so the last batch is padded by the caller.
    """
    tf = tensorflow()
    layers: dict[str, Any] = {}

    def run(pixels: Any) -> Any:
        with _recorded(model, layers):
            return model(prepare(tf.cast(pixels, tf.float32)), training=False)

    try:
        function = tf.compat.v1.wrap_function(run, [tf.TensorSpec((batch, *size), tf.uint8)])
    except AuditError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AuditError(
            f"does not take images of {size[0]}x{size[1]}x{size[2]}: {reason}", where="model"
        ) from error
    output = _single(function.structured_outputs)
    return Trace(function, function.inputs[0], output, layers)


def input_shape(model: Any, given: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, channels) of the model's image input.

    Raises
    ------
    AuditError: several inputs, an input that is no image, or a size that is open or contradicted.
    """
    inputs = getattr(model, "inputs", None)
    shapes = [tuple(i.shape) for i in inputs] if inputs else [_built_shape(model)]
    if len(shapes) != 1:
        raise AuditError(
            f"the model has {len(shapes)} inputs", where="model", expected="one image input"
        )
    shape = shapes[0]
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise AuditError(
            "the model's input is no image", where="model",
            expected="shape (batch, height, width, 1 or 3)", received=shape,
        )  # fmt: skip
    height, width = _size(shape[1:3], given)
    return height, width, shape[3]


def _built_shape(model: Any) -> tuple[int | None, ...]:
    """The shape that a model of a class of its own was built with; () where it was not."""
    shape = (model.get_build_config() or {}).get("input_shape") or ()
    return tuple(shape) if all(s is None or isinstance(s, int) for s in shape) else ()


def _size(own: tuple[int | None, int | None], given: tuple[int, int] | None) -> tuple[int, int]:
    if None in own and given is None:
        raise AuditError("the model leaves its input size open", where="model", hint=OPEN_SIZE_HINT)
    size = tuple(o if o is not None else g for o, g in zip(own, given or own, strict=True))
    if given is not None and tuple(given) != size:
        raise AuditError(
            "the model has an input size of its own",
            where="model.input_size",
            expected=f"{list(size)}, or the key left out",
            received=list(given),
        )
    return size  # type: ignore[return-value]


def _single(outputs: Any) -> Any:
    import keras

    flat = keras.tree.flatten(outputs)
    if len(flat) != 1:
        raise AuditError(f"the model has {len(flat)} outputs", where="model", expected="one output")
    output = flat[0]
    if output.shape.rank != 2 or output.shape[1] is None:
        raise AuditError(
            "the model's output is no list of class scores", where="model",
            expected="shape (batch, classes)", received=tuple(output.shape.as_list()),
        )  # fmt: skip
    return output


@contextmanager
def _recorded(model: Any, layers: dict[str, Any]) -> Iterator[None]:
    """While the model is traced, note what each layer returns; the layers are left as they were.

    Rebuilding a model around an inner layer's output fails on nested models, so the call itself is
    watched instead.
    """
    watched = list(_named_layers(model, ""))
    # A layer that is held in several places has several paths, and is restored once.
    own = {id(layer): (layer, vars(layer).get("call")) for _, layer in watched}
    try:
        for path, layer in watched:
            object.__setattr__(layer, "call", _noting(layer.call, path, layers))
        yield
    finally:
        for layer, call in own.values():
            object.__delattr__(layer, "call")
            if call is not None:
                object.__setattr__(layer, "call", call)


def _noting(call: Callable, path: str, layers: dict[str, Any]) -> Callable:
    def noted(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        # A layer that is called twice is known by its last call, as in a sequential reading.
        if hasattr(result, "op"):
            layers.pop(path, None)
            layers[path] = result
        return result

    # Keras reads the signature of `call` to decide which arguments to pass.
    noted.__wrapped__ = call  # type: ignore[attr-defined]
    return noted


def _named_layers(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for child in layer._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}{child.name}"
        yield path, child
        yield from _named_layers(child, f"{path}/")
