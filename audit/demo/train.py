"""The demo's classifier: a small convolutional network, trained from scratch in about a minute.

The only file of the demo that needs TensorFlow, which is imported when training starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audit.models.runtime import tensorflow

EPOCHS = 8
BATCH = 64
PEAK_RATE = 3e-3
# Stages of the network: channels of the convolutions before each halving of the picture.
STAGES = ((24, 32), (48, 64), (96, 96))


def build(size: int, classes: tuple[str, ...]) -> Any:
    """The untrained network.

    Parameters
    ----------
    size: height and width of its input, pixels; the last feature map has size / 8 cells a side.
    classes: names of the outputs.

    Returns
    -------
    ``keras.Model`` from (n, size, size, 3) float32 in [0, 1] to (n, classes) probabilities.
    """
    keras = _keras()
    layers = keras.layers
    pixels = keras.Input((size, size, 3), name="image")
    x = pixels
    for stage, channels in enumerate(STAGES, start=1):
        for number, count in enumerate(channels, start=1):
            first = stage == 1 and number == 1
            name = f"conv{stage}_{number}"
            # The first convolution halves the picture at once: four times cheaper than a pool.
            x = layers.Conv2D(
                count,
                5 if first else 3,
                strides=2 if first else 1,
                padding="same",
                use_bias=False,
                name=name,
            )(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        if stage < len(STAGES):
            x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    scores = layers.Dense(len(classes), activation="softmax", name="class")(x)
    return keras.Model(pixels, scores, name="focus_demo")


def train(
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    seed: int,
    say: Callable[[str], None] = print,
    epochs: int = EPOCHS,
) -> Any:
    """Train the network.

    Parameters
    ----------
    images: (n, size, size, 3) uint8, RGB.
    labels: (n,) integers, indices into ``classes``.
    seed: of the weights and of the order of the pictures.
    say: takes one line of progress an epoch.

    Returns
    -------
    The trained ``keras.Model``.
    """
    keras = _keras()
    keras.utils.set_random_seed(seed)
    model = build(images.shape[1], classes)
    steps = epochs * -(-len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 10, steps - steps // 10, warmup_target=PEAK_RATE, warmup_steps=steps // 10
    )
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        images.astype(np.float32) / 255,
        labels,
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
        callbacks=[_progress(say, epochs)],
    )
    return model


def accuracy(model: Any, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of (n, size, size, 3) uint8 pictures whose most likely class is their label."""
    scores = model.predict(images.astype(np.float32) / 255, batch_size=BATCH, verbose=0)
    return float((scores.argmax(axis=1) == labels).mean())


def save(model: Any, path: Path) -> None:
    """Write a ``.keras`` file; it appears whole or not at all."""
    partial = path.with_name(f".{path.stem}.partial.keras")
    model.save(partial)
    partial.replace(path)


def _progress(say: Callable[[str], None], epochs: int) -> Any:
    start = time.monotonic()

    def line(epoch: int, logs: dict[str, float]) -> None:
        say(
            f"  epoch {epoch + 1:2d} of {epochs}: loss {logs['loss']:.3f}, accuracy "
            f"{logs['accuracy']:.3f}, {time.monotonic() - start:.0f} s"
        )

    return _keras().callbacks.LambdaCallback(on_epoch_end=line)


def _keras() -> Any:
    """Keras, on a TensorFlow that was started quietly."""
    tensorflow()
    import keras

    return keras
