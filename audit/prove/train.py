"""The networks of the proving ground: tiny ones of several architectures, trained from scratch.

The only file here that needs TensorFlow, which is imported when training starts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audit.models.runtime import tensorflow
from audit.registry import Registry

EPOCHS = 5
"""Of the pictures and their mirror images."""
BATCH = 32
PEAK_RATE = 4e-3

Architecture = Callable[[Any, Any], Any]
"""(``keras.layers``, input tensor) -> the tensor that the last Dense layer reads."""
ARCHITECTURES: Registry[Architecture] = Registry("architecture")
CHOOSING = ("plain", "strided")
"""Architectures on which the audit's defaults may be chosen."""
HELD_OUT = ("residual", "separable", "pooled")
"""Architectures that only the measurement sees."""
CHOOSING_FLAT, HELD_OUT_FLAT = ("strided_flat",), ("pooled_flat",)
"""The same with a head that sees where a feature is. Grad-CAM takes one weight a channel for the whole
picture, which is not what such a head does: they are counted apart."""


@ARCHITECTURES.register("plain")
def plain(layers: Any, x: Any) -> Any:
    """Convolutions, batch normalisation and max pooling; global average pooling."""
    x = layers.MaxPooling2D(2)(_conv(layers, x, 16, strides=2))
    x = _conv(layers, _conv(layers, x, 24), 32)
    x = _conv(layers, layers.MaxPooling2D(2)(x), 48)
    return layers.GlobalAveragePooling2D()(x)


@ARCHITECTURES.register("strided")
def strided(layers: Any, x: Any) -> Any:
    """Strided convolutions; global average pooling."""
    return layers.GlobalAveragePooling2D()(_strided(layers, x))


@ARCHITECTURES.register("strided_flat")
def strided_flat(layers: Any, x: Any) -> Any:
    """Strided convolutions; the head sees in which quarter of the picture a feature is."""
    return layers.Flatten()(layers.MaxPooling2D(4)(_strided(layers, x)))


@ARCHITECTURES.register("residual")
def residual(layers: Any, x: Any) -> Any:
    """Residual blocks (He et al. 2016) with strided convolutions between; average pooling."""
    x = _conv(layers, x, 16, strides=2)
    for channels in (24, 40):
        x = _conv(layers, x, channels, strides=2)
        branch = _conv(layers, x, channels)
        branch = layers.Conv2D(channels, 3, padding="same", use_bias=False)(branch)
        branch = layers.BatchNormalization(momentum=0.9)(branch)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return layers.GlobalAveragePooling2D()(x)


@ARCHITECTURES.register("separable")
def separable(layers: Any, x: Any) -> Any:
    """Depthwise separable convolutions (Howard et al. 2017); average pooling."""
    x = _conv(layers, x, 16, strides=2)
    for channels, strides in ((32, 2), (48, 1), (64, 2), (64, 1)):
        x = layers.DepthwiseConv2D(_side(strides), strides=strides, padding="same", use_bias=False)(
            x
        )
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = _conv(layers, x, channels, 1)
    return layers.GlobalAveragePooling2D()(x)


@ARCHITECTURES.register("pooled")
def pooled(layers: Any, x: Any) -> Any:
    """Convolutions with average pooling; global average pooling, then a hidden Dense layer."""
    x = layers.GlobalAveragePooling2D()(_pooled(layers, x))
    return layers.Dense(48, activation="relu")(x)


@ARCHITECTURES.register("pooled_flat")
def pooled_flat(layers: Any, x: Any) -> Any:
    """Convolutions with average pooling; a hidden Dense layer that sees the picture's quarters."""
    x = layers.Flatten()(layers.MaxPooling2D(4)(_pooled(layers, x)))
    return layers.Dense(48, activation="relu")(x)


def _strided(layers: Any, x: Any) -> Any:
    x = _conv(layers, x, 16, strides=2)
    x = _conv(layers, _conv(layers, x, 24, strides=2), 32)
    return _conv(layers, _conv(layers, x, 48, strides=2), 48)


def _pooled(layers: Any, x: Any) -> Any:
    x = layers.AveragePooling2D(2)(_conv(layers, x, 16, strides=2))
    x = layers.AveragePooling2D(2)(_conv(layers, _conv(layers, x, 24), 32))
    return _conv(layers, x, 48)


def _conv(layers: Any, x: Any, channels: int, size: int | None = None, strides: int = 1) -> Any:
    size = size or _side(strides)
    x = layers.Conv2D(channels, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _side(strides: int) -> int:
    """Side of a kernel: even where the stride is, so that padding is the same on both sides.

    An odd one moves each layer's cells by half a pixel of its input, and after some layers a
    heatmap lies half a cell off what it shows.
    """
    return 4 if strides == 2 else 3


def train(
    images: np.ndarray, labels: np.ndarray, classes: int, architecture: str, seed: int
) -> Any:
    """Train a network.

    Parameters
    ----------
    images: (n, size, size, 3) uint8, RGB.
    labels: (n,) integers from 0 to ``classes`` - 1.
    architecture: a name of :data:`ARCHITECTURES`.
    seed: of the weights and of the order of the pictures.

    Returns
    -------
    ``keras.Model`` from (n, size, size, 3) float32 in [0, 1] to (n, classes) probabilities.
    """
    keras = _keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    pixels = keras.Input(images.shape[1:], name="image")
    features = ARCHITECTURES.get(architecture)(keras.layers, pixels)
    scores = keras.layers.Dense(classes, activation="softmax", name="class")(features)
    model = keras.Model(pixels, scores)
    images = np.concatenate([images, images[:, :, ::-1]])
    labels = np.concatenate([labels, labels])
    steps = EPOCHS * -(-len(images) // BATCH)
    warm = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 10, steps - warm, warmup_target=PEAK_RATE, warmup_steps=warm
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(scaled(images), labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def classifier(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The trained network as a function: images (n, size, size, 3) uint8 -> classes (n,) int64."""

    def classify(images: np.ndarray) -> np.ndarray:
        return model.predict(scaled(images), batch_size=128, verbose=0).argmax(axis=1)

    return classify


def save(model: Any, path: Path) -> None:
    """Write a ``.keras`` file."""
    model.save(path)


def scaled(images: np.ndarray) -> np.ndarray:
    """uint8 pixels as float32 in [0, 1]."""
    return images.astype(np.float32) / 255


def _keras() -> Any:
    """Keras, on a TensorFlow that was started quietly."""
    tensorflow()
    import keras

    return keras
