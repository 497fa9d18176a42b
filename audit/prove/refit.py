"""A model with its last layer fitted anew: cheap, and enough to make it rely on what is planted.

Features are the mean activations of the layer before the head, which stays frozen; so does
everything below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from audit.config.model import Config
from audit.errors import AuditError
from audit.models.loading import load_model
from audit.models.probe import ModelProbe
from audit.prove.own import OwnImage, planted

L2 = 1e-3
"""Weight of the squared norm, for features of unit variance."""
# Under every other output's score: an output that is no class of the data set is never named.
_NEVER = 50.0


class Head(NamedTuple):
    """Scores are ``features W + b``."""

    weights: np.ndarray
    """(C, k) float64."""
    bias: np.ndarray
    """(k,) float64."""

    def classes(self, features: np.ndarray) -> np.ndarray:
        """The class named for each row of (n, C) features; (n,) int64."""
        return _scores(features, self.weights, self.bias).argmax(axis=1)


def fit_head(features: np.ndarray, labels: np.ndarray, classes: int) -> Head:
    """Multinomial logistic regression, by L-BFGS on standardised features.

    Parameters
    ----------
    features: (n, C). labels: (n,) integers from 0 to ``classes`` - 1.
    """
    features = np.asarray(features, np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = 1.0
    x = (features - mean) / spread
    n, width = x.shape
    wanted = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-classes].reshape(width, classes), flat[-classes:]
        scores = _scores(x, weights, bias)
        error = special.softmax(scores, axis=1) - wanted
        value = (special.logsumexp(scores, axis=1) - (scores * wanted).sum(axis=1)).mean()
        # Sums in a fixed order, without BLAS, whose result depends on its threads.
        slope = np.einsum("ni,nk->ik", x, error) / n + L2 * weights
        value += 0.5 * L2 * float((weights**2).sum())
        return value, np.concatenate([slope.ravel(), error.mean(axis=0)])

    start = np.zeros((width + 1) * classes)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    weights, bias = found[:-classes].reshape(width, classes), found[-classes:]
    weights = weights / spread[:, None]
    return Head(weights, bias - (mean[:, None] * weights).sum(axis=0))


def _scores(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ik->nk", np.asarray(features, np.float64), weights) + bias


def features_of(
    probe: ModelProbe, images: list[OwnImage], with_shortcut: bool, step: Any
) -> np.ndarray:
    """Mean activations before the head, (n, C) float32; ``step(count)`` is called as they come."""
    found = []
    for start in range(0, len(images), probe.batch):
        part = images[start : start + probe.batch]
        pixels = np.zeros((probe.batch, *part[0].pixels.shape), np.uint8)
        for slot, image in enumerate(part):
            pixels[slot] = planted(image) if with_shortcut else image.pixels
        maps = probe.activations(probe.forward(pixels), 0)
        found.append(maps.mean(axis=(1, 2))[: len(part)])
        step(len(part))
    return np.concatenate(found)


def check_head(probe: ModelProbe) -> np.ndarray:
    """The head's own weights (C, n).

    Raises
    ------
    AuditError: the head is not a mean and one dense layer, or the model is none whose classes
        exclude each other, or it needs more than an image.
    """
    facts = probe.facts
    if facts.output not in ("softmax", "logits") or facts.other_inputs:
        raise AuditError(
            "the head cannot be fitted anew", where="model",
            expected="one image input, and classes of which one is right",
            received=f"output {facts.output}, further inputs {list(facts.other_inputs)}",
        )  # fmt: skip
    try:
        return probe.head_weights(0)
    except AuditError as error:
        raise AuditError(
            "the head cannot be fitted anew: it is not global average pooling and one dense layer",
            where="model", received=error.received,
        ) from error  # fmt: skip


def write_refitted(
    config: Config, own: np.ndarray, head: Head, outputs: list[int], path: Path
) -> None:
    """Write the config's model with another head.

    Parameters
    ----------
    own: the head's weights as they are (C, n), by which its layer is found.
    outputs: of each of the head's classes; every other output is never named.
    """
    model = load_model(config.model)
    weights = np.zeros(own.shape, np.float32)
    bias = np.full(own.shape[1], head.bias.min() - _NEVER, np.float32)
    weights[:, outputs], bias[outputs] = head.weights, head.bias
    for layer in getattr(model, "_flatten_layers", list)():
        values = layer.get_weights() if len(layer.weights) == 2 else []
        if (
            values
            and values[0].size == own.size
            and np.array_equal(values[0].reshape(own.shape), own)
        ):
            layer.set_weights([weights.reshape(values[0].shape), bias])
            model.save(path)
            return
    raise AuditError("the head's layer was not found in the model", where="model")
