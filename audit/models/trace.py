"""One trace of a model, with the output of every layer in it, nested ones included."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from audit.errors import AuditError, first_line, nearest
from audit.models.graph import NCHW, TO_NCHW, layout, own_layout
from audit.models.inputs import (
    Input,
    check_batch,
    check_given,
    find_image,
    image_size,
    inputs_of,
    packed,
)
from audit.models.runtime import tensorflow
from audit.models.saved_model import ServedModel


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
    floats: Any
    """The pixels as float32 (B, H, W, C) in 0-255, before any preprocessing."""
    extras: dict[str, Any] = field(default_factory=dict)
    """Name -> input tensor (B, ...) of each further input of the model, to be fed per image."""

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

    def layout(self, tensor: Any) -> str:
        """``NHWC`` or ``NCHW``: how a tensor of four axes lies in memory."""
        return layout(tensor)


def trace_model(
    model: Any,
    batch: int,
    size: tuple[int, int, int],
    prepare: Callable,
    image_input: str | None = None,
    given: Collection[str] = (),
    output_name: str | None = None,
) -> Trace:
    """Trace ``prepare`` and ``model`` on uint8 pixels of exactly (batch, *size).

    The exact shape is part of the promise of same bytes: a batch of another size may round another
    way, so the last batch is padded by the caller.

    Parameters
    ----------
    size: (height, width, channels), as of :func:`input_shape`, also where the model wants its
        channels first: ``prepare`` sees channels last, and the turn comes after it.
    image_input: name of the image input, where the model has several that could be it.
    given: names of the other inputs, which become ``Trace.extras``.
    output_name: name of the class scores, where the model has several outputs.

    Raises
    ------
    AuditError: the model cannot be called so, or its output is no list of class scores.
    """
    tf = tensorflow()
    inputs = inputs_of(model)
    chosen = find_image(inputs, image_input)
    check_given(inputs, chosen, given)
    check_batch(inputs, batch)
    others = [i for i in inputs if i is not chosen]
    noted: dict[str, Any] = {}

    def run(pixels: Any, *extras: Any) -> Any:
        noted["floats"] = tf.cast(pixels, tf.float32, name="floats")
        tensors = dict(zip([i.name for i in others], extras, strict=True))
        tensors[chosen.name] = _as_wanted(prepare, noted["floats"], chosen)
        outputs, noted["layers"] = _called(model, {i.name: tensors[i.name] for i in inputs})
        noted["outputs"] = outputs
        return list(outputs.values())

    specs = [tf.TensorSpec((batch, *size), tf.uint8)]
    specs += [tf.TensorSpec(_extra_shape(i, batch), i.dtype) for i in others]
    try:
        function = tf.compat.v1.wrap_function(run, specs)
    except AuditError:
        raise
    except Exception as error:
        images = f"{size[0]}x{size[1]}x{size[2]}"
        raise AuditError(
            f"does not take images of {images}: {first_line(error)}", where="model"
        ) from error
    extras = dict(zip([i.name for i in others], function.inputs[1:], strict=False))
    output = _scores(noted["outputs"], output_name)
    trace = Trace(function, function.inputs[0], output, noted["layers"], noted["floats"], extras)
    _check_runs_here(trace)
    return trace


def _check_runs_here(trace: Trace) -> None:
    """Try a model whose channels come first: on a processor few operations can do that.

    Raises
    ------
    AuditError: it cannot be run on this machine.
    """
    tf = tensorflow()
    graph = trace.function.graph
    if not any(own_layout(o) == NCHW for o in graph.get_operations()):
        return
    feeds = [trace.pixels, *trace.extras.values()]
    try:
        trace.callable(feeds, [trace.output])(*(tf.zeros(f.shape, f.dtype) for f in feeds))
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
        lines = [line for line in str(error).splitlines() if "NHWC" in line]
        reason = lines[0] if lines else first_line(error)
        raise AuditError(
            f"cannot be run on this machine: {reason}", where="model",
            hint="a GPU may have the operation; else save the model with channels last",
        ) from error  # fmt: skip


def input_shape(
    model: Any, given: tuple[int, int] | None, image_input: str | None = None
) -> tuple[int, int, int]:
    """(height, width, channels) of the model's image input, however its axes lie.

    Raises
    ------
    AuditError: several inputs, an input that is no image, or a size that is open or contradicted.
    """
    return image_size(find_image(inputs_of(model), image_input), given)


def _as_wanted(prepare: Callable, floats: Any, wanted: Input) -> Any:
    """Prepared pixels in the layout and number type that the input takes."""
    tf = tensorflow()
    prepared = prepare(floats)
    if wanted.dtype.is_integer and prepared is not floats:
        raise AuditError(
            f"the model's input takes whole numbers ({wanted.dtype.name})",
            where="model.preprocess",
            expected="none",
        )
    if wanted.channels_first:
        prepared = tf.transpose(prepared, TO_NCHW)
    return tf.cast(prepared, wanted.dtype)


def _extra_shape(wanted: Input, batch: int) -> tuple[int, ...]:
    """Exact shape of a further input; without axes where the model takes one number for all."""
    if not wanted.shape:
        return ()
    if None in wanted.shape[1:]:
        raise AuditError(
            f"the model's input {wanted.name!r} leaves its size open", where="model.inputs",
            expected="every axis known but the batch's", received=wanted.shape,
        )  # fmt: skip
    return (batch, *wanted.shape[1:])  # type: ignore[arg-type]


def _called(model: Any, tensors: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs by name and layers by path of a model called in the graph that is being built."""
    if isinstance(model, ServedModel):
        return model.place(tensors)
    layers: dict[str, Any] = {}
    with _recorded(model, layers):
        outputs = model(packed(model, tensors), training=False)
    return _named_outputs(model, outputs), layers


def _named_outputs(model: Any, outputs: Any) -> dict[str, Any]:
    """Keys of a dict of outputs; else the names of the layers that made them, else numbers."""
    tf = tensorflow()
    flat = tf.nest.flatten(outputs)
    if isinstance(outputs, dict) and len(flat) == len(outputs):
        return dict(zip(tf.nest.flatten({name: name for name in outputs}), flat, strict=True))
    names = list(getattr(model, "output_names", None) or ())
    if len(names) != len(flat) or len(set(names)) != len(flat):
        names = [str(i) for i in range(len(flat))]
    return dict(zip(names, flat, strict=True))


def _scores(outputs: dict[str, Any], name: str | None) -> Any:
    """The output that holds the class scores."""
    names = list(outputs)
    if name is not None and name not in outputs:
        raise AuditError(
            f"the model has no output {name!r}",
            where="model.output_name",
            hint=nearest(name, names),
        )
    if name is None and len(names) != 1:
        raise AuditError(
            f"the model has {len(names)} outputs", where="model", expected="one output",
            hint="name one by model.output_name: " + ", ".join(names),
        )  # fmt: skip
    output = outputs[names[0] if name is None else name]
    if output.shape.rank != 2 or output.shape[1] is None:
        shape = None if output.shape.rank is None else tuple(output.shape.as_list())
        raise AuditError(
            "the model's output is no list of class scores", where="model",
            expected="shape (batch, classes)", received=shape,
        )  # fmt: skip
    return output


@contextmanager
def _recorded(model: Any, layers: dict[str, Any]) -> Iterator[None]:
    """While the model is traced, note what each layer returns; the layers are left as they were.

    Rebuilding a model around an inner layer's output fails on nested models, so the call itself is
    watched instead.
    """
    watched = list(named_layers(model, ""))
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


def named_layers(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for child in layer._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}{child.name}"
        yield path, child
        yield from named_layers(child, f"{path}/")
