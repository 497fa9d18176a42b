"""A model made ready to be asked: forward passes, and gradients cut at a layer or at the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import RLock
from typing import Any

import numpy as np

from audit.config.model import Config
from audit.errors import AuditError
from audit.models.fixations import FixationWalk
from audit.models.graph import needs
from audit.models.head import head_weights
from audit.models.layers import Layer, LayerFacts, find_layers, spatial_layers
from audit.models.loading import load_model
from audit.models.outputs import outputs_of
from audit.models.preprocess import preprocess
from audit.models.randomise import Cascade
from audit.models.rules import counted, gradient_rule, rectifiers
from audit.models.runtime import tensorflow
from audit.models.trace import Trace, input_shape, trace_model


@dataclass(frozen=True)
class ModelFacts:
    """What was found out about a model, and why: goes into ``provenance.json`` as it is."""

    input_height: int
    input_width: int
    channels: int
    other_inputs: tuple[str, ...]
    """Inputs that are fed from the config or from columns, in the model's order."""
    n_outputs: int
    """Classes that can be named; 2 for one sigmoid unit (0: not the class, 1: the class)."""
    output: str
    """softmax, sigmoid (multi-label), binary or logits."""
    output_reason: str
    score: str
    """What is differentiated: logit, probability or loss."""
    score_reason: str
    activation: str
    """What turns the scores into probabilities: softmax, sigmoid, or none where they are already."""
    layers: tuple[LayerFacts, ...]
    n_parameters: int

    def as_dict(self) -> dict[str, Any]:
        layers = [layer.as_dict() for layer in self.layers]
        return {**asdict(self), "layers": layers, "other_inputs": list(self.other_inputs)}


@dataclass(frozen=True)
class Forward:
    """One forward pass of a padded batch.

    ``pixels`` uint8 (B, H, W, C), ``scores`` float32 (B, n): logits where they were found;
    ``probabilities`` float32 (B, n). ``handles``: the chosen layers' tensors, one a layer.
    ``others``: arrays (B, ...) of the model's other inputs.
    """

    pixels: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    handles: tuple[Any, ...]
    others: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Backward:
    """A gradient at a layer as a callable, and which of (layer, pixels and other inputs) it takes."""

    function: Any
    uses_layer: bool
    uses_inputs: bool


class ModelProbe:
    """A traced model; takes uint8 pixels (B, H, W, C) of exactly the configured batch size.

    All targets of a batch share one forward pass; for each, only the part between the layer and the
    scores is differentiated, and where that part is linear nothing of the forward pass is needed.
    What it answers is described at :class:`audit.explain.question.Subject`.
    """

    def __init__(self, config: Config, needs_layer: bool = True, loaded: Any = None) -> None:
        self.batch = config.run.batch_size
        # The variables live as long as the model does.
        self._model = load_model(config.model) if loaded is None else loaded
        self._trace, size = _traced(self._model, config)
        self._outputs = outputs_of(self._trace, config.model.output)
        self._layers: tuple[Layer, ...] = ()
        if needs_layer:
            scores = self._outputs.tensor
            self._layers = find_layers(self._trace, scores, self.batch, config.explain)
        self._explain = config.explain
        self._made: dict[Any, Any] = {}
        self._making = RLock()  # several batches may be asked about at once
        self._read: dict[int, np.ndarray] = {}
        if not self._outputs.settled:
            self._outputs = self._outputs.told_apart(self._on_noise(size))
        self.facts = self._facts(config, size)

    def traced_again(self, config: Config) -> ModelProbe:
        """The same model and weights for another batch size."""
        return ModelProbe(config, bool(self._layers), self._model)

    def forward(
        self, pixels: np.ndarray, others: Mapping[str, np.ndarray] | None = None
    ) -> Forward:
        """Run uint8 pixels (B, H, W, C) up to the scores; ``others`` (B, ...) by input's name."""
        arrays = tuple((others or {})[name] for name in self._trace.extras)
        scores, output, *layers = self._forward(*self._constants(pixels, *arrays))
        scores, probabilities = self._outputs.named(_array(scores), _array(output))
        return Forward(pixels, scores, probabilities, tuple(layers), arrays)

    def activations(self, forward: Forward, layer: int) -> np.ndarray:
        """float32 (B, h, w, C)."""
        return self._layers[layer].on_grid(_array(forward.handles[layer]), np)

    def mean_gradients(
        self, forward: Forward, layer: int, rows: Sequence[int], seeds: np.ndarray
    ) -> np.ndarray:
        """Spatial mean of d(seeds . scores) / d(activations), float32 (P, C).

        ``rows`` (P,) names the image of each target, ``seeds`` float32 (P, n) its weights over the
        scores. Targets go through in blocks of the batch size, padded: same shape, same bytes.
        """
        return self._layer_gradients(forward, layer, rows, seeds, mean=True)

    def gradients(
        self, forward: Forward, layer: int, rows: Sequence[int], seeds: np.ndarray
    ) -> np.ndarray:
        """d(seeds . scores) / d(activations), float32 (P, h, w, C)."""
        return self._layer_gradients(forward, layer, rows, seeds, mean=False)

    def input_gradients(
        self,
        forward: Forward,
        images: np.ndarray,
        rows: Sequence[int],
        seeds: np.ndarray,
        rule: str = "plain",
    ) -> np.ndarray:
        """d(seeds . scores) / d(images), float32 (P, H, W, C), at float32 images in 0-255."""
        function = self._once(("input", rule), lambda: self._input_backward(rule))
        seeds = self._outputs.own_seeds(seeds)
        parts = []
        for block in self._blocks(len(images)):
            inputs = (seeds[block], images[block], *self._others(forward, rows[block]))
            parts.append(_array(function(*self._constants(*inputs))[0])[: len(images[block])])
        return np.concatenate(parts) if parts else np.zeros(images.shape, np.float32)

    def scores_of(self, forward: Forward, images: np.ndarray, rows: Sequence[int]) -> np.ndarray:
        """Scores (N, n) of other float32 images (N, H, W, C) in 0-255."""
        trace = self._trace
        feeds = [trace.floats, *trace.extras.values()]
        fetches = [self._outputs.tensor, trace.output]
        function = self._once("scores", lambda: trace.callable(feeds, fetches))
        parts = []
        for block in self._blocks(len(images)):
            inputs = (images[block], *self._others(forward, rows[block]))
            found = [_array(t) for t in function(*self._constants(*inputs))]
            parts.append(self._outputs.named(*found)[0][: len(images[block])])
        empty = np.empty((0, self.facts.n_outputs), np.float32)
        return np.concatenate(parts) if parts else empty

    def head_weights(self, layer: int) -> np.ndarray:
        """float32 (C, n): of a head that is a mean and one dense layer; raises for any other."""
        if layer not in self._read:
            scores, tensor = self._outputs.tensor, self._layers[layer].tensor
            self._read[layer] = head_weights(self._trace, scores, tensor)
        return self._outputs.named_weights(self._read[layer])

    def fixations(
        self, forward: Forward, rows: Sequence[int], outputs: Sequence[Sequence[int]]
    ) -> list[np.ndarray]:
        """Points (row, column) on the image, int64 (k, 2), a target; see :class:`FixationWalk`."""
        trace, scores = self._trace, self._outputs.tensor
        walk = self._once(
            "fixations", lambda: FixationWalk(trace, scores, trace.floats, self.batch)
        )
        values = walk.activations(forward.pixels, *forward.others)
        if self._outputs.kind != "binary":
            return [walk.points(values, row, own) for row, own in zip(rows, outputs, strict=True)]
        # One unit: the first of its two classes is its opposite.
        signs = [1 if 1 in own else -1 for own in outputs]
        return [walk.points(values, row, [0], s) for row, s in zip(rows, signs, strict=True)]

    def replaced_rules(self, rule: str) -> tuple[list[str], list[str]]:
        """Operations whose gradient ``rule`` replaces, and kinds that it leaves alone, counted."""
        replaced, others = rectifiers(self._trace)
        return [op.name for op in replaced], counted(others)

    def cascade(self) -> Cascade:
        """The weights, to be redrawn from the output back; what was read of them is forgotten."""
        return Cascade(self._model, self._trace, self._outputs.tensor, self._forget)

    def layers(self) -> list[dict[str, Any]]:
        """Every spatial layer: path, (h, w, C), operation, what it feeds, whether it is in use."""
        return spatial_layers(self._trace, self.batch, self._layers)

    def default_grid(self) -> tuple[int, int] | None:
        """Rows and columns of the layer that ``auto`` finds, whichever are in use; None for none."""
        section = self._explain.model_copy(update={"layer": "auto"})
        try:
            (layer,) = find_layers(self._trace, self._outputs.tensor, self.batch, section)
        except AuditError:
            return None
        return layer.facts.shape[:2]

    # -- callables, each made when it is first needed

    @property
    def _forward(self) -> Any:
        trace = self._trace
        feeds = [trace.pixels, *trace.extras.values()]
        fetches = [self._outputs.tensor, trace.output, *(layer.tensor for layer in self._layers)]
        return self._once("forward", lambda: trace.callable(feeds, fetches))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._making:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def _forget(self) -> None:
        """Drop what holds weights; callables read the model's variables each time."""
        self._read.clear()
        self._made.pop("fixations", None)

    def _layer_backward(self, place: int, mean: bool) -> Backward:
        tf = tensorflow()
        trace, layer = self._trace, self._layers[place]
        with trace.function.graph.as_default():
            seeds, gradient = self._gradient_tensor(layer.tensor, "this layer", "explain.layer")
            gradient = layer.on_grid(tf.cast(gradient, tf.float32), tf)
            if mean:
                gradient = tf.reduce_mean(gradient, axis=[1, 2])
        inputs = [trace.pixels, *trace.extras.values()]
        uses_layer = needs([gradient], layer.tensor)
        uses_inputs = any(needs([gradient], i, without=layer.tensor) for i in inputs)
        feeds = [seeds] + [layer.tensor] * uses_layer + (inputs if uses_inputs else [])
        return Backward(trace.callable(feeds, [gradient]), uses_layer, uses_inputs)

    def _input_backward(self, rule: str) -> Any:
        """The gradient at the image as a callable of (seeds, images, other inputs)."""
        trace = self._trace
        with trace.function.graph.as_default(), gradient_rule(trace, rule):
            seeds, gradient = self._gradient_tensor(trace.floats, "the image", "explain.method")
        return trace.callable([seeds, trace.floats, *trace.extras.values()], [gradient])

    def _gradient_tensor(self, source: Any, called: str, where: str) -> tuple[Any, Any]:
        """Placeholder of the seeds, and d(seeds . scores) / d(source), in the trace's graph."""
        tf = tensorflow()
        scores = self._outputs.tensor
        seeds = tf.compat.v1.placeholder(tf.float32, scores.shape, name="audit_seeds")
        (gradient,) = tf.gradients(scores, source, grad_ys=tf.cast(seeds, scores.dtype))
        if gradient is None:
            raise AuditError(
                f"the scores do not depend on {called} in a differentiable way",
                where=where,
                received=self._trace.path_of(source),
            )
        return seeds, tf.convert_to_tensor(gradient)

    # -- blocks of exactly the batch size

    def _layer_gradients(
        self, forward: Forward, place: int, rows: Sequence[int], seeds: np.ndarray, mean: bool
    ) -> np.ndarray:
        backward = self._once((place, mean), lambda: self._layer_backward(place, mean))
        seeds, rows = self._outputs.own_seeds(seeds), np.asarray(rows, np.int64)
        parts = [
            self._gradient_block(backward, forward, place, rows[b], seeds[b])
            for b in self._blocks(len(rows))
        ]
        shape = self._layers[place].facts.shape
        empty = np.empty((0, shape[2]) if mean else (0, *shape), np.float32)
        return np.concatenate(parts) if parts else empty

    def _gradient_block(
        self, backward: Backward, forward: Forward, place: int, rows: np.ndarray, seeds: np.ndarray
    ) -> np.ndarray:
        # Each image's own place in the batch where that serves all targets: no copy.
        in_order = np.array_equal(rows, np.arange(len(rows)))
        index = slice(None) if in_order else self._padded(rows)
        inputs = self._constants(seeds)
        if backward.uses_layer:
            handle = forward.handles[place]
            inputs.append(handle if in_order else tensorflow().gather(handle, index))
        if backward.uses_inputs:
            arrays = (forward.pixels, *forward.others)
            inputs += self._constants(*(array[index] for array in arrays))
        return _array(backward.function(*inputs)[0])[: len(rows)]

    def _others(self, forward: Forward, rows: Sequence[int]) -> list[np.ndarray]:
        return [array[rows] for array in forward.others]

    def _constants(self, *arrays: np.ndarray) -> list[Any]:
        """Tensors of arrays (k, ...), filled up to the batch size."""
        return [tensorflow().constant(self._padded(array)) for array in arrays]

    def _padded(self, values: np.ndarray) -> np.ndarray:
        """``values`` (k, ...) with zeros after them up to the batch size: same shape, same bytes."""
        if len(values) == self.batch:
            return values
        padded = np.zeros((self.batch, *values.shape[1:]), values.dtype)
        padded[: len(values)] = values
        return padded

    def _blocks(self, count: int) -> list[slice]:
        return [slice(k, min(k + self.batch, count)) for k in range(0, count, self.batch)]

    # -- what the model is

    def _on_noise(self, size: tuple[int, int, int]) -> np.ndarray:
        """The model's output (B, n) on noise; zeros for its other inputs."""
        noise = np.random.default_rng(0).integers(0, 256, (self.batch, *size), np.uint8)
        return _array(self._forward(*self._constants(noise, *self.blank_inputs().values()))[1])

    def blank_inputs(self) -> dict[str, np.ndarray]:
        """Zeros for each of the other inputs, (B, ...) in its own type."""
        return {
            name: np.zeros(t.shape.as_list(), t.dtype.as_numpy_dtype)
            for name, t in self._trace.extras.items()
        }

    def _facts(self, config: Config, size: tuple[int, int, int]) -> ModelFacts:
        outputs = self._outputs
        score, score_reason = outputs.score(config.explain.score)
        return ModelFacts(
            *size,
            other_inputs=tuple(self._trace.extras),
            n_outputs=outputs.n_classes,
            output=outputs.kind,
            output_reason=outputs.reason,
            score=score,
            score_reason=score_reason,
            activation=outputs.activation,
            layers=tuple(layer.facts for layer in self._layers),
            n_parameters=int(self._model.count_params()),
        )


def _traced(model: Any, config: Config) -> tuple[Trace, tuple[int, int, int]]:
    """The trace, and (height, width, channels) of its image."""
    section, inputs = config.model, config.model.inputs
    image = inputs.image if inputs else None
    given = {*inputs.constants, *inputs.columns} if inputs else set()
    size = input_shape(model, section.input_size, image)
    trace = trace_model(
        model,
        config.run.batch_size,
        size,
        lambda x: preprocess(x, section.preprocess),
        image_input=image,
        given=given,
        output_name=section.output_name,
    )
    return trace, size


def _array(tensor: Any) -> np.ndarray:
    """float32 array, over the tensor's own memory where it is float32: a batch is megabytes."""
    tf = tensorflow()
    return np.asarray(memoryview(tf.cast(tensor, tf.float32)), dtype=np.float32)
