"""What an explanation method is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audit.registry import Registry


@dataclass(frozen=True)
class LayerTrace:
    """What the model did at one layer, for P targets of one batch of B images.

    ``activations``: float32 (B, h, w, C). ``rows``: int (P,), the image of each target.
    ``mean_gradients``: float32 (P, C), the spatial mean of d(score) / d(activations).
    """

    activations: np.ndarray
    rows: np.ndarray
    mean_gradients: np.ndarray


@dataclass(frozen=True)
class Method:
    """An explanation method; ``heatmaps`` gives float32 (P, h, w), raw, on the layer's own grid."""

    name: str
    summary: str
    source: str
    heatmaps: Callable[[LayerTrace], np.ndarray]


METHODS: Registry[Method] = Registry("explanation method")


def method(name: str, summary: str, source: str) -> Callable:
    """Register a function of a :class:`LayerTrace` as an explanation method."""

    def add(function: Callable[[LayerTrace], np.ndarray]) -> Callable:
        METHODS.add(name, Method(name, summary, source, function))
        return function

    return add
