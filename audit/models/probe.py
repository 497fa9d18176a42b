"""A model made ready to be asked: forward passes, and gradients cut at one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from audit.config.model import Config
from audit.errors import AuditError, nearest
from audit.models.graph import default_layer, ends_linearly, final_activation, is_spatial, needs
from audit.models.loading import load_model
from audit.models.preprocess import preprocess
from audit.models.runtime import tensorflow
from audit.models.trace import Trace, input_shape, trace_model

# How far a row of outputs may be from summing to one and still count as a softmax written by hand.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ModelFacts:
    """What was found out about a model, and why: goes into ``provenance.json`` as it is."""

    input_height: int
    input_width: int
    channels: int
    n_outputs: int
    """Classes that can be named; 2 for one sigmoid unit (0: not the class, 1: the class)."""
    output: str
    """softmax, sigmoid (multi-label), binary or logits."""
    output_reason: str
    score: str
    """What is differentiated: logit or probability."""
    score_reason: str
    layer: str
    layer_shape: tuple[int, int, int]
    layer_reason: str
    n_parameters: int

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "layer_shape": list(self.layer_shape)}


@dataclass(frozen=True)
class Forward:
    """One forward pass of a padded batch.

    ``activations`` is float32 (B, h, w, C), ``scores`` float32 (B, n): logits where they were
    found; ``probabilities`` float32 (B, n). ``handle`` keeps the tensor that gradients start from.
    """

    activations: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    handle: Any


class ModelProbe:
    """A traced model; takes uint8 pixels (B, H, W, C) of exactly the configured batch size.

    All targets of a batch share one forward pass; for each, only the part between the layer and the
    scores is differentiated, and where that part is linear nothing of the forward pass is needed.
    """

    def __init__(self, config: Config) -> None:
        model = load_model(config.model)
        self.batch = config.run.batch_size
        size = input_shape(model, config.model.input_size)
        trace = trace_model(
            model, self.batch, size, lambda x: preprocess(x, config.model.preprocess)
        )
        self._model = model  # the variables live as long as it does
        self._trace = trace
        self._kind, self._score_tensor = _output_kind(trace, config)
        self._layer, why = _layer(trace, self._score_tensor, self.batch, config.explain.layer)
        self._forward = trace.callable(
            [trace.pixels], [self._layer, self._score_tensor, trace.output]
        )
        self._by_hand = self._gives_probabilities(size, config)
        self.facts = self._facts(config, size, why)

    def forward(self, pixels: np.ndarray) -> Forward:
        """Run uint8 pixels (B, H, W, C) up to the scores."""
        tf = tensorflow()
        layer, scores, output = self._forward(tf.constant(pixels))
        scores, probabilities = self._two_scores(_array(scores), _array(output))
        return Forward(_array(layer), scores, probabilities, layer)

    def mean_gradients(
        self, pixels: np.ndarray, forward: Forward, rows: Sequence[int], seeds: np.ndarray
    ) -> np.ndarray:
        """Spatial mean of d(seeds . scores) / d(activations), float32 (P, C).

        ``rows`` (P,) names the image of each target, ``seeds`` float32 (P, n) its weights over the
        scores. Targets go through in blocks of the batch size, padded: same shape, same bytes.
        """
        wanted = self._seeds_on_tensor(seeds)
        parts = [
            self._gradient_block(
                pixels, forward, rows[k : k + self.batch], wanted[k : k + self.batch]
            )
            for k in range(0, len(rows), self.batch)
        ]
        channels = forward.activations.shape[3]
        return np.concatenate(parts) if parts else np.empty((0, channels), np.float32)

    def _gradient_block(
        self, pixels: np.ndarray, forward: Forward, rows: Sequence[int], seeds: np.ndarray
    ) -> np.ndarray:
        tf = tensorflow()
        count = len(rows)
        index = np.zeros(self.batch, np.int64)
        index[:count] = rows
        padded = np.zeros((self.batch, seeds.shape[1]), np.float32)
        padded[:count] = seeds
        inputs = [tf.constant(padded)]
        function, uses_layer, uses_pixels = self._backward
        in_order = np.array_equal(index[:count], np.arange(count))
        if uses_layer:
            # Each image's own place in the batch where that serves all targets: no copy.
            inputs.append(forward.handle if in_order else tf.gather(forward.handle, index))
        if uses_pixels:
            inputs.append(tf.constant(pixels if in_order else pixels[index]))
        return _array(function(*inputs)[0])[:count]

    @cached_property
    def _backward(self) -> tuple[Any, bool, bool]:
        """The gradient at the layer as a callable, and which of (layer, pixels) it takes."""
        tf = tensorflow()
        scores, layer, pixels = self._score_tensor, self._layer, self._trace.pixels
        with self._trace.function.graph.as_default():
            seeds = tf.compat.v1.placeholder(tf.float32, scores.shape, name="audit_seeds")
            (gradient,) = tf.gradients(scores, layer, grad_ys=tf.cast(seeds, scores.dtype))
            if gradient is None:
                raise AuditError(
                    "the scores do not depend on this layer in a differentiable way",
                    where="explain.layer",
                    received=self._trace.path_of(layer),
                )
            mean = tf.reduce_mean(tf.cast(gradient, tf.float32), axis=[1, 2])
        uses_layer = _uses(mean, layer)
        uses_pixels = needs([mean], pixels, without=layer)
        feeds = [seeds] + [layer] * uses_layer + [pixels] * uses_pixels
        return self._trace.callable(feeds, [mean]), uses_layer, uses_pixels

    def _two_scores(self, scores: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and probabilities per nameable class, float32 (B, n)."""
        kind, _, found = self._kind
        probabilities = output if found or self._by_hand else _activated(scores, kind)
        if kind == "binary":
            scores = np.concatenate([-scores, scores], axis=1)
            probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
        return scores, probabilities

    def _seeds_on_tensor(self, seeds: np.ndarray) -> np.ndarray:
        """Weights over the nameable classes turned into weights over the graph's own scores."""
        if self._kind[0] == "binary":
            return (seeds[:, 1] - seeds[:, 0])[:, None].astype(np.float32)
        return seeds.astype(np.float32)

    def _gives_probabilities(self, size: tuple[int, int, int], config: Config) -> bool:
        """True when outputs on noise are probabilities: an activation hides in other operations."""
        kind, _, found = self._kind
        if found or config.model.output == "logits" or ends_linearly(self._trace.output):
            return False
        noise = np.random.default_rng(0).integers(0, 256, (self.batch, *size), np.uint8)
        output = _array(self._forward(tensorflow().constant(noise))[2])
        if kind in ("logits", "softmax") and np.abs(output.sum(axis=1) - 1).max() >= SUM_TOLERANCE:
            return False
        return bool(output.min() >= 0 and output.max() <= 1 + SUM_TOLERANCE)

    def _facts(self, config: Config, size: tuple[int, int, int], why: str) -> ModelFacts:
        kind, reason, found = self._kind
        score, score_reason = "logit", "input of the final activation" if found else "linear output"
        if self._by_hand:
            kind = "softmax" if kind == "logits" else kind
            reason = "outputs are probabilities, by operations of the model's own"
            score, score_reason = "probability", "logits not found, probability used"
        elif config.explain.score == "probability":
            score, score_reason = "probability", "asked for"
        n = self._score_tensor.shape[1]
        return ModelFacts(
            *size,
            n_outputs=2 if kind == "binary" else n,
            output=kind,
            output_reason=reason,
            score=score,
            score_reason=score_reason,
            layer=self._trace.path_of(self._layer),
            layer_shape=tuple(self._layer.shape.as_list()[1:]),
            layer_reason=why,
            n_parameters=int(self._model.count_params()),
        )

    def layers(self) -> list[dict[str, Any]]:
        """Every spatial layer: path, (h, w, C), operation, what it feeds, whether it is in use."""
        rows = []
        for path, tensor in self._trace.layers.items():
            if is_spatial(tensor, self.batch):
                feeds = sorted({c.type for c in tensor.consumers()} - {"Identity"})
                rows.append(
                    {
                        "layer": path,
                        "shape": tensor.shape.as_list()[1:],
                        "op": tensor.op.type,
                        "feeds": feeds,
                        "default": tensor.name == self._layer.name,
                    }
                )
        return rows


def _output_kind(trace: Trace, config: Config) -> tuple[tuple[str, str, bool], Any]:
    """((kind, reason, logits found), score tensor)."""
    asked = config.model.output
    if asked == "logits":
        return ("logits", "given in the config", False), trace.output
    activation, tensor = final_activation(trace.output)
    if tensor.shape.rank != 2:
        activation, tensor = "none", trace.output
    units = tensor.shape[1]
    found = activation != "none"
    kind = {"softmax": "softmax", "none": "logits"}.get(
        activation, "binary" if units == 1 else "sigmoid"
    )
    if asked == "auto" or asked == kind:
        reason = (
            f"the graph ends in {activation}" if found else "the graph ends without an activation"
        )
        if kind == "logits" and units == 1:
            raise AuditError(
                "one output without a sigmoid is no classifier", where="model.output",
                hint="set model.output: binary if it is the logit of one class",
            )  # fmt: skip
        return (kind, reason, found), tensor
    if (asked == "binary") != (units == 1):
        raise AuditError(
            f"the model has {units} outputs", where="model.output",
            expected="1 output for binary, more for the others", received=asked,
        )  # fmt: skip
    return (asked, "given in the config", found), tensor


def _layer(trace: Trace, scores: Any, batch: int, name: str) -> tuple[Any, str]:
    if name == "auto":
        return default_layer(scores, trace.pixels, batch)
    spatial = {p: t for p, t in trace.layers.items() if is_spatial(t, batch)}
    if name in spatial:
        return spatial[name], "named in the config"
    if name in trace.layers:
        raise AuditError(
            f"layer {name!r} is not spatial", where="explain.layer",
            expected="an output (H, W, C) with H*W > 1",
            received=trace.layers[name].shape.as_list()[1:], hint=nearest(name, spatial),
        )  # fmt: skip
    raise AuditError(f"no layer {name!r}", where="explain.layer", hint=nearest(name, spatial))


def _uses(tensor: Any, layer: Any) -> bool:
    """True when computing ``tensor`` needs the value of ``layer``, not just its shape."""
    seen: set[str] = set()
    waiting = [tensor]
    while waiting:
        current = waiting.pop()
        if current.name == layer.name:
            return True
        if current.name in seen or current.op.type in {"Shape", "ShapeN", "Size", "Rank"}:
            continue
        seen.add(current.name)
        waiting.extend(current.op.inputs)
    return False


def _activated(scores: np.ndarray, kind: str) -> np.ndarray:
    """Probabilities of scores (B, n) that no activation of the model follows."""
    if kind in ("sigmoid", "binary"):
        # exp(-|x|) never overflows.
        small = np.exp(-np.abs(scores))
        return np.where(scores >= 0, 1 / (1 + small), small / (1 + small))
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _array(tensor: Any) -> np.ndarray:
    """float32 array, over the tensor's own memory where it is float32: a batch is megabytes."""
    tf = tensorflow()
    return np.asarray(memoryview(tf.cast(tensor, tf.float32)), dtype=np.float32)
