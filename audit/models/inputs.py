"""What a model takes: which input is the image, its size and layout, and what else it wants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from audit.errors import AuditError, nearest
from audit.models.runtime import tensorflow
from audit.models.saved_model import ServedModel

OPEN_SIZE_HINT = "set model.input_size: [height, width]"
IMAGE_CHANNELS = (1, 3)
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Input:
    """One input as the model declares it."""

    name: str
    shape: Shape
    """With the batch axis; ``()`` where nothing is known."""
    dtype: Any
    """TensorFlow dtype."""

    @property
    def channels_first(self) -> bool:
        """True for (batch, channels, height, width)."""
        return _is_image_shape(self.shape) and self.shape[3] not in IMAGE_CHANNELS

    @property
    def size(self) -> Shape:
        """(height, width, channels)."""
        _, *rest = self.shape
        return (rest[1], rest[2], rest[0]) if self.channels_first else tuple(rest)


def _is_image_shape(shape: Shape) -> bool:
    return len(shape) == 4 and (shape[3] in IMAGE_CHANNELS or shape[1] in IMAGE_CHANNELS)


def inputs_of(model: Any) -> list[Input]:
    """All inputs of a Keras model or a SavedModel's signature, in their own order."""
    tf = tensorflow()
    if isinstance(model, ServedModel):
        return [Input(n, _shape(s.shape), s.dtype) for n, s in model.inputs.items()]
    structure = _structure(model)
    if structure is None:
        return [Input("image", _built_shape(model), tf.float32)]
    names = input_names(structure)
    return [
        Input(name, _shape(t.shape), tf.as_dtype(t.dtype))
        for name, t in zip(names, tf.nest.flatten(structure), strict=True)
    ]


def packed(model: Any, tensors: dict[str, Any]) -> Any:
    """Tensors by name put into the structure that a Keras model is called with."""
    structure = _structure(model)
    if structure is None:
        return next(iter(tensors.values()))
    flat = [tensors[name] for name in input_names(structure)]
    return tensorflow().nest.pack_sequence_as(structure, flat)


def input_names(structure: Any) -> list[str]:
    """Keys of a dict of inputs; else the names that the inputs were made with."""
    tf = tensorflow()
    if isinstance(structure, dict) and len(tf.nest.flatten(structure)) == len(structure):
        return tf.nest.flatten({name: name for name in structure})
    return [t.name for t in tf.nest.flatten(structure)]


def _structure(model: Any) -> Any:
    """Inputs as a functional or Sequential model declares them; None for a class of a user's own."""
    try:
        return model.input
    except (AttributeError, ValueError):  # Keras raises either for a model that has none
        return None


def _shape(shape: Any) -> Shape:
    shape = tensorflow().TensorShape(shape)
    return () if shape.rank is None else tuple(shape.as_list())


def _built_shape(model: Any) -> Shape:
    """The shape that a model of a class of its own was built with; () where it was not.

    The batch that happened to build it binds nobody.
    """
    shape = (model.get_build_config() or {}).get("input_shape") or ()
    known = all(s is None or isinstance(s, int) for s in shape)
    return (None, *shape[1:]) if shape and known else ()


def find_image(inputs: list[Input], name: str | None) -> Input:
    """The input that takes the image: the one named, or the only one that can be.

    Raises
    ------
    AuditError: there is no such input, it takes no image, or there are several.
    """
    names = [i.name for i in inputs]
    if name is not None:
        if name not in names:
            raise AuditError(
                f"the model has no input {name!r}",
                where="model.inputs.image",
                hint=nearest(name, names),
            )
        chosen = inputs[names.index(name)]
    else:
        images = [i for i in inputs if _is_image_shape(i.shape)]
        if len(images) > 1:
            raise AuditError(
                f"{len(images)} inputs of the model could be the image", where="model",
                hint="name one by model.inputs.image: " + ", ".join(i.name for i in images),
            )  # fmt: skip
        chosen = images[0] if images else inputs[0]
    _check_image(chosen)
    return chosen


def _check_image(chosen: Input) -> None:
    if not _is_image_shape(chosen.shape):
        raise AuditError(
            "the model's input is no image", where="model",
            expected="shape (batch, height, width, 1 or 3) or (batch, 1 or 3, height, width)",
            received=chosen.shape or None,
        )  # fmt: skip
    if not (chosen.dtype.is_floating or chosen.dtype.is_integer):
        raise AuditError(
            "the model's input is no image of numbers", where="model",
            received=chosen.dtype.name, hint="export it with a signature that takes pixels",
        )  # fmt: skip


def check_given(inputs: list[Input], image: Input, given: Collection[str]) -> None:
    """Every input but the image is given a value, and nothing else is.

    Raises
    ------
    AuditError: names the input.
    """
    others = [i.name for i in inputs if i is not image]
    missing = [name for name in others if name not in given]
    if missing:
        raise AuditError(
            f"nothing is given for the model's input {missing[0]!r}", where="model.inputs",
            hint=f"set it by model.inputs.constants or model.inputs.columns; the image is "
            f"{image.name!r}",
        )  # fmt: skip
    unknown = [name for name in given if name not in others]
    if unknown and unknown[0] == image.name:
        raise AuditError(
            f"{image.name!r} is the image, and is given a value, too", where="model.inputs"
        )
    if unknown:
        raise AuditError(
            f"the model has no input {unknown[0]!r}",
            where="model.inputs",
            hint=nearest(unknown[0], [i.name for i in inputs]),
        )


def check_batch(inputs: list[Input], batch: int) -> None:
    """A model that was saved for one batch size takes no other.

    Raises
    ------
    AuditError: the size is fixed and not ours.
    """
    fixed = next((i for i in inputs if i.shape and i.shape[0] not in (None, batch)), None)
    if fixed is None:
        return
    size = fixed.shape[0]
    hint = f"set run.batch_size: {size}" if size >= 2 else "save it with an open batch axis"
    raise AuditError(
        f"the model takes batches of {size} only", where="run.batch_size",
        expected=str(size), received=batch, hint=hint,
    )  # fmt: skip


def image_size(chosen: Input, given: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, channels), open ones filled in from the config.

    Raises
    ------
    AuditError: a size that is open, or contradicted.
    """
    *own, channels = chosen.size
    if None in own and given is None:
        raise AuditError("the model leaves its input size open", where="model", hint=OPEN_SIZE_HINT)
    size = [o if o is not None else g for o, g in zip(own, given or own, strict=True)]
    if given is not None and list(given) != size:
        raise AuditError(
            "the model has an input size of its own",
            where="model.input_size",
            expected=f"{size}, or the key left out",
            received=list(given),
        )
    return (*size, channels)
