"""Small networks with known weights, cut by hand into what is before a layer and what is after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.config.model import Config
from audit.models.runtime import tensorflow

tf = tensorflow()
import keras  # noqa: E402
from keras import layers as L  # noqa: E402

SIZE = (16, 20, 3)
BATCH = 4


@dataclass(frozen=True)
class Network:
    """``front(x)`` gives the layer's activation, ``head(a, x)`` the scores before any softmax."""

    model: Any
    layer: str
    front: Callable
    head: Callable
    explicit: bool = False
    """The layer has to be named: the default rule finds another one."""


def config(path, **keys):
    """A config for a model file; further keys are written ``section__key``."""
    values = {
        "audit": {"name": "test"},
        "model": {"path": str(path), "preprocess": "scale_0_1"},
        "dataset": {"format": "coco", "annotations": "-", "images": "-"},
        "run": {"batch_size": BATCH},
    }
    for dotted, value in keys.items():
        section, key = dotted.split("__")
        values.setdefault(section, {})[key] = value
    return Config.model_validate(values)


def images(count=BATCH, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size), np.uint8)


def conv(name=None, filters=5, activation="relu", strides=1):
    return L.Conv2D(
        filters, 3, strides, activation=activation, bias_initializer="normal", name=name
    )


def dense(units, activation=None, name=None):
    return L.Dense(
        units, activation, kernel_initializer="normal", bias_initializer="normal", name=name
    )


def linear(layer, vector):
    """A Dense layer without its activation."""
    return vector @ layer.kernel + layer.bias


def gap(classes=4, activation="softmax"):
    x = keras.Input(SIZE)
    stem, top, pool = conv(strides=2), conv("top"), L.GlobalAveragePooling2D()
    out = dense(classes, activation)
    model = keras.Model(x, out(pool(top(stem(x)))))
    return Network(model, "top", lambda x: top(stem(x)), lambda a, x: linear(out, pool(a)))


def flatten():
    x = keras.Input(SIZE)
    top, pool, flat = conv("top", strides=2), L.MaxPooling2D(), L.Flatten()
    hidden, out = dense(7, "relu"), dense(4, "softmax")
    model = keras.Model(x, out(hidden(flat(pool(top(x))))))
    return Network(model, "top", top, lambda a, x: linear(out, hidden(flat(pool(a)))))


def branches():
    """The head multiplies two branches: the gradient at one needs the pixels of the other."""
    x = keras.Input(SIZE)
    one, two, times = conv("one", strides=2), conv("two", strides=2), L.Multiply(name="joined")
    pool, out = L.GlobalAveragePooling2D(), dense(4, "softmax")
    model = keras.Model(x, out(pool(times([one(x), two(x)]))))
    return Network(
        model, "one", one, lambda a, x: linear(out, pool(times([a, two(x)]))), explicit=True
    )


def skip():
    """A residual block: the skipped convolution's output reaches the head by two ways."""
    x = keras.Input(SIZE)
    stem, inner, add = conv("stem", strides=2), L.Conv2D(5, 3, padding="same"), L.Add()
    relu, pool, out = L.ReLU(), L.GlobalMaxPooling2D(), dense(4, "softmax")
    after = lambda a: relu(add([a, inner(a)]))  # noqa: E731
    model = keras.Model(x, out(pool(after(stem(x)))))
    return Network(model, "stem", stem, lambda a, x: linear(out, pool(after(a))), explicit=True)


def batch_norm(layer="relu"):
    x = keras.Input(SIZE)
    first, norm, relu = (
        conv("conv", activation=None, strides=2),
        L.BatchNormalization(),
        L.ReLU(name="relu"),
    )
    pool, out = L.GlobalAveragePooling2D(), dense(4, "softmax")
    model = keras.Model(x, out(pool(relu(norm(first(x))))))
    rng = np.random.default_rng(0)
    norm.set_weights([rng.uniform(0.2, 2, 5) * s for s in ([1, -1, 1, -1, 1], 1, 0.1, 1)])
    normed = lambda a: relu(norm(a, training=False))  # noqa: E731
    if layer == "relu":
        return Network(model, "relu", lambda x: normed(first(x)), lambda a, x: linear(out, pool(a)))
    return Network(model, "conv", first, lambda a, x: linear(out, pool(normed(a))), explicit=True)


def nested():
    """Sequential in functional in Sequential."""
    stem, top = conv("stem", strides=2), conv("top")
    block = keras.Sequential([stem, top], name="block")
    x = keras.Input(SIZE)
    base = keras.Model(x, L.Rescaling(2.0, -1.0)(block(x)), name="base")
    pool, out = L.GlobalAveragePooling2D(), dense(4, "softmax")
    model = keras.Sequential([keras.Input(SIZE), base, pool, out])
    return Network(
        model, "base/block/top", lambda x: top(stem(x)),
        lambda a, x: linear(out, pool(a * 2.0 - 1.0)), explicit=True,
    )  # fmt: skip


@keras.saving.register_keras_serializable("focus_audit_tests")
class TransferModel(keras.Model):
    """A class of a user's own around a functional base; one layer is held in two places."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        x = keras.Input(SIZE)
        self.base = keras.Model(x, conv("top")(conv("stem", strides=2)(x)), name="base")
        self.last = self.base.get_layer("top")
        self.pool, self.out = L.GlobalAveragePooling2D(name="pool"), dense(4, "softmax", "out")

    def call(self, inputs, training=False):
        return self.out(self.pool(self.base(inputs, training=training)))


def transfer():
    model = TransferModel(name="mine")
    model(np.zeros((1, *SIZE), np.float32))
    return Network(model, "base/top", model.base, lambda a, x: linear(model.out, model.pool(a)))


def binary():
    return gap(1, "sigmoid")


def multi_label():
    return gap(4, "sigmoid")


def logits():
    return gap(4, None)


def separate_softmax():
    """As old files have it: convolution, pooling, reshape, then Softmax as a layer."""
    x = keras.Input(SIZE)
    top, pool = conv("top", 4, strides=2), L.AveragePooling2D((7, 9))
    model = keras.Model(x, L.Softmax()(L.Reshape((4,))(pool(top(x)))))
    return Network(model, "top", top, lambda a, x: tf.reshape(pool(a), (-1, 4)))


def shared():
    """One layer, called twice: known by its last call."""
    x = keras.Input(SIZE)
    stem, twice = conv(strides=2), L.Conv2D(5, 3, padding="same", activation="tanh", name="twice")
    pool, out = L.GlobalAveragePooling2D(), dense(4, "softmax")
    model = keras.Model(x, out(pool(twice(twice(stem(x))))))
    return Network(
        model, "twice", lambda x: twice(twice(stem(x))), lambda a, x: linear(out, pool(a))
    )


def by_hand():
    """A softmax of exp and sum, which no walk on the graph can tell from other arithmetic."""
    x = keras.Input(SIZE)
    top, pool, out = conv("top", strides=2), L.GlobalAveragePooling2D(), dense(4)
    powers = keras.ops.exp(out(pool(top(x))))
    model = keras.Model(x, powers / keras.ops.sum(powers, axis=1, keepdims=True))
    return Network(model, "top", top, lambda a, x: tf.nn.softmax(linear(out, pool(a))))


NETWORKS = {
    f.__name__: f
    for f in (
        gap, flatten, branches, skip, batch_norm, nested, transfer, binary, multi_label, logits,
        separate_softmax, shared, by_hand,
    )
} | {"before_batch_norm": lambda: batch_norm("conv")}  # fmt: skip


def slow_gradcam(network, pixels, score):
    """Equations 1 and 2 of Selvaraju et al. 2017 for one image (H, W, C); ``score`` of (n,)."""
    x = tf.constant(pixels[None] / np.float32(255))
    activation = tf.constant(network.front(x))
    with tf.GradientTape() as tape:
        tape.watch(activation)
        y = score(network.head(activation, x)[0])
    gradient = tape.gradient(y, activation)[0].numpy()
    height, width, channels = gradient.shape
    total = np.zeros((height, width))
    for k in range(channels):
        alpha = sum(gradient[i, j, k] for i in range(height) for j in range(width))
        total += alpha / (height * width) * activation[0, :, :, k].numpy()
    return np.maximum(total, 0)
