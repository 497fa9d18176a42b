"""Small networks as Keras models, and by hand as trees for the slow CNN Fixations."""

from __future__ import annotations

import numpy as np

from . import slow_fixations as slow
from .networks import L, keras, tf

SIZE = (12, 15, 3)


def _weights(layer):
    return [w.astype(np.float64) for w in layer.get_weights()]


def conv(filters, size=3, **keys):
    return L.Conv2D(filters, size, bias_initializer="normal", **keys)


def dense(units, activation=None):
    return L.Dense(units, activation, kernel_initializer="normal", bias_initializer="normal")


def norm(channels, rank=4, first=1):
    """A trained batch norm: every other gamma is negative; ``first`` is the first one's sign."""
    rng = np.random.default_rng(1)
    gamma = rng.uniform(0.5, 2, channels) * np.resize([first, -first], channels)
    layer = L.BatchNormalization()
    layer.build((None,) * (rank - 1) + (channels,))
    layer.set_weights([gamma, *rng.normal(0, 0.3, (2, channels)), rng.uniform(0.5, 2, channels)])
    return layer


def _sequence(*layers):
    return keras.Sequential([keras.Input(SIZE), *layers])


def _scores(below, layer):
    return slow.dense(below, *_weights(layer))


def gap():
    """Strides, SAME and VALID padding, an even kernel."""
    one, two, out = conv(6, strides=2, padding="same"), conv(7, (2, 4)), dense(4, "softmax")
    model = _sequence(one, L.ReLU(), two, L.ReLU(), L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.relu(slow.conv(x, *_weights(one), stride=2, padding="same"))
        return _scores(slow.average(slow.relu(slow.conv(x, *_weights(two)))), out)

    return model, tree


def flatten():
    """A flattened map, then three dense layers, with a batch norm and dropout between."""
    one, first, normed, second = conv(5), dense(30), norm(30, rank=2), dense(20, "relu")
    out = dense(4, "softmax")
    model = _sequence(
        one, L.ReLU(), L.MaxPooling2D(), L.Flatten(), first, normed, L.ReLU(), second,
        L.Dropout(0.5), out,
    )  # fmt: skip

    def tree(x):
        x = slow.pool(slow.relu(slow.conv(x, *_weights(one))), 2, 2, "valid", mean=False)
        x = slow.relu(slow.dense(x, *slow.folded(*_weights(first), *_weights(normed))))
        return _scores(slow.relu(slow.dense(x, *_weights(second))), out)

    return model, tree


def pools():
    """SAME padded maximum, average and global maximum."""
    one, two, out = conv(8), conv(6), dense(4, "sigmoid")
    model = _sequence(
        one, L.MaxPooling2D(3, 2, "same"), two, L.AveragePooling2D(2, padding="same"),
        L.GlobalMaxPooling2D(), out,
    )  # fmt: skip

    def tree(x):
        x = slow.pool(slow.conv(x, *_weights(one)), 3, 2, "same", mean=False)
        x = slow.pool(slow.conv(x, *_weights(two)), 2, 2, "same", mean=True)
        return _scores(slow.maximum(x), out)

    return model, tree


def separable():
    """Depthwise with two outputs a channel, then pointwise; both with padding."""
    one, two = L.DepthwiseConv2D(3, 2, "same", depth_multiplier=2), conv(8, 1)
    three, out = L.SeparableConv2D(9, 3, padding="same", activation="relu"), dense(4)
    model = _sequence(one, two, L.ReLU(6.0), three, L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.depthwise(x, *_weights(one), stride=2, padding="same")
        x = slow.pointwise(slow.conv(x, *_weights(two)), lambda a: a.clip(0, 6))
        depth, point, bias = _weights(three)
        x = slow.relu(slow.conv(slow.depthwise(x, depth, padding="same"), point, bias))
        return _scores(slow.average(x), out)

    return model, tree


def groups():
    one, two, out = conv(6), conv(8, groups=2, strides=2, padding="same"), dense(4)
    model = _sequence(one, L.ReLU(), two, L.ReLU(), L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.relu(slow.conv(x, *_weights(one)))
        x = slow.relu(slow.conv(x, *_weights(two), stride=2, padding="same"))
        return _scores(slow.average(x), out)

    return model, tree


def dilated():
    one, two = conv(6, dilation_rate=2, padding="same"), conv(6, dilation_rate=(3, 3))
    three, out = L.DepthwiseConv2D(3, dilation_rate=2, padding="same"), dense(4)
    model = _sequence(one, L.ReLU(), two, three, L.ReLU(), L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.relu(slow.conv(x, *_weights(one), padding="same", dilation=2))
        x = slow.conv(x, *_weights(two), dilation=3)
        x = slow.relu(slow.depthwise(x, *_weights(three), padding="same", dilation=2))
        return _scores(slow.average(x), out)

    return model, tree


def joined():
    """Branches that are concatenated, as maps and as vectors."""
    a, b, after, out = conv(4, padding="same"), conv(5, 1), conv(6), dense(4)
    inputs = keras.Input(SIZE)
    x = keras.ops.relu(L.Concatenate()([inputs, a(inputs), b(inputs)]))
    x = after(x)
    both = L.Concatenate()([L.GlobalMaxPooling2D()(x), L.GlobalAveragePooling2D()(x)])
    model = keras.Model(inputs, out(both))

    def tree(x):
        parts = x, slow.conv(x, *_weights(a), padding="same"), slow.conv(x, *_weights(b))
        x = slow.conv(slow.relu(slow.concat(*parts)), *_weights(after))
        return _scores(slow.concat(slow.maximum(x), slow.average(x)), out)

    return model, tree


def residual():
    """One block that keeps the map, and one whose skip is a convolution."""
    stem, inner = conv(6), conv(6, padding="same")
    short, first, second = conv(8, 1, strides=2), conv(4, strides=2, padding="same"), conv(8, 1)
    out = dense(4)
    inputs = keras.Input(SIZE)
    x = L.ReLU()(stem(inputs))
    x = L.ReLU()(L.Add()([inner(x), x]))
    x = L.ReLU()(L.Add()([short(x), second(L.ReLU()(first(x)))]))
    model = keras.Model(inputs, out(L.GlobalAveragePooling2D()(x)))

    def tree(x):
        x = slow.relu(slow.conv(x, *_weights(stem)))
        x = slow.relu(slow.residual(x, slow.conv(x, *_weights(inner), padding="same")))
        branch = slow.relu(slow.conv(x, *_weights(first), stride=2, padding="same"))
        skip = slow.conv(x, *_weights(short), stride=2)
        x = slow.relu(slow.residual(skip, slow.conv(branch, *_weights(second))))
        return _scores(slow.average(x), out)

    return model, tree


def batch_norm():
    """Negative gammas, behind convolutions: folded into them."""
    one, two, n1, n2, out = conv(6), conv(8, padding="same"), norm(6), norm(8), dense(4)
    model = _sequence(one, n1, L.ReLU(), two, n2, L.ReLU(), L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.relu(slow.conv(x, *slow.folded(*_weights(one), *_weights(n1))))
        kernel, bias = slow.folded(*_weights(two), *_weights(n2))
        return _scores(slow.average(slow.relu(slow.conv(x, kernel, bias, padding="same"))), out)

    return model, tree


def pre_activation():
    """Batch norm before the weights, with a sum and pooling before it: nothing to fold it into."""
    one, two, three, out = conv(6), conv(6, padding="same"), conv(8), dense(4)
    n1, n2, n3 = norm(6), norm(8), norm(8, rank=2, first=-1)
    inputs = keras.Input(SIZE)
    x = one(inputs)
    x = L.Add()([x, two(L.ReLU()(x))])
    x = three(L.ReLU()(n1(x)))
    x = L.ReLU()(n2(L.AveragePooling2D(2)(x)))
    model = keras.Model(inputs, out(n3(L.GlobalAveragePooling2D()(x))))

    def normed(x, layer):
        gamma, beta, mean, variance = _weights(layer)
        scale = gamma / np.sqrt(variance + 1e-3)
        return slow.scaled(x, scale, beta - mean * scale)

    def tree(x):
        x = slow.conv(x, *_weights(one))
        x = slow.residual(x, slow.conv(slow.relu(x), *_weights(two), padding="same"))
        x = slow.conv(slow.relu(normed(x, n1)), *_weights(three))
        x = slow.relu(normed(slow.pool(x, 2, 2, "valid", mean=True), n2))
        return _scores(normed(slow.average(x), n3), out)

    return model, tree


def nested():
    """Sequential in functional in Sequential, with rescaling between, once by a negative factor."""
    stem, top, out = conv(6, strides=2), conv(5), dense(4, "softmax")
    block = keras.Sequential([stem, L.LeakyReLU(), top])
    inputs = keras.Input(SIZE)
    base = keras.Model(inputs, L.Rescaling(-2.0, 1.0)(block(L.Rescaling([1, 2, 3])(inputs))))
    model = _sequence(base, L.GlobalAveragePooling2D(), out)

    def tree(x):
        x = slow.scaled(x, np.array([1.0, 2, 3]))
        x = slow.conv(x, *_weights(stem), stride=2)
        x = slow.conv(slow.pointwise(x, lambda a: np.where(a < 0, 0.3 * a, a)), *_weights(top))
        return _scores(slow.average(slow.scaled(x, -2.0, 1.0)), out)

    return model, tree


def squeeze_and_excite():
    """A gate for each channel, swish and hard swish: all are walked straight through."""
    one, gate, two, out = conv(6), dense(6, "sigmoid"), conv(7), dense(4)
    inputs = keras.Input(SIZE)
    x = keras.ops.silu(one(inputs))
    factors = gate(L.GlobalAveragePooling2D()(x))
    x = keras.ops.hard_silu(two(L.Multiply()([x, L.Reshape((1, 1, 6))(factors)])))
    x = keras.ops.gelu(x, approximate=False)
    model = keras.Model(inputs, out(L.GlobalAveragePooling2D()(x)))

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    def gelu(a):
        return a * np.array(keras.ops.erf(a / 2**0.5) + 1) / 2

    def tree(x):
        x = slow.pointwise(slow.conv(x, *_weights(one)), lambda a: a * sigmoid(a))
        factors = sigmoid(_scores(slow.average(x), gate).value)
        x = slow.conv(slow.gated(x, factors), *_weights(two))
        x = slow.pointwise(x, lambda a: a * np.clip(a / 6 + 0.5, 0, 1))
        return _scores(slow.average(slow.pointwise(x, gelu)), out)

    return model, tree


def layer_norm():
    """As in ConvNeXt: a mean and deviation of each place, and dense layers at places."""
    one, normed, two, out = conv(6), L.LayerNormalization(), dense(8), dense(4)
    last = L.LayerNormalization(center=False, scale=False)
    normed.build((None, None, None, 6))
    normed.set_weights([np.array([1, -2, 1, -1, 0.5, 1]), np.linspace(-1, 1, 6)])
    model = _sequence(one, normed, two, L.ReLU(), L.GlobalAveragePooling2D(), last, out)

    def norm_of(x, gamma, beta):
        mean, variance = x.value.mean(-1, keepdims=True), x.value.var(-1, keepdims=True)
        below = slow.pointwise(x, lambda a: (a - mean) / np.sqrt(variance + 1e-3))
        return slow.scaled(below, gamma, beta)

    def tree(x):
        x = norm_of(slow.conv(x, *_weights(one)), *_weights(normed))
        kernel, bias = _weights(two)
        x = slow.average(slow.relu(slow.conv(x, kernel[None, None], bias)))
        return _scores(norm_of(x, 1.0, 0.0), out)

    return model, tree


def padded():
    """Padding and cropping by layers of their own."""
    one, two, out = conv(6, strides=2), conv(5), dense(4)
    model = _sequence(
        L.ZeroPadding2D(((2, 1), (3, 0))), one, L.ZeroPadding2D(1), L.MaxPooling2D(3, 1),
        L.Cropping2D(((1, 0), (0, 2))), two, L.ReLU(), L.GlobalAveragePooling2D(), out,
    )  # fmt: skip

    def pad(x, rows, columns):
        value = np.pad(x.value, (rows, columns, (0, 0)))
        return slow.shifted(x, value, rows[0], columns[0])

    def tree(x):
        x = slow.conv(pad(x, (2, 1), (3, 0)), *_weights(one), stride=2)
        x = slow.pool(pad(x, (1, 1), (1, 1)), 3, 1, "valid", mean=False)
        x = slow.shifted(x, x.value[1:, :-2], -1, 0)
        return _scores(slow.average(slow.relu(slow.conv(x, *_weights(two)))), out)

    return model, tree


def convolution_heads():
    """Dense layers that are written as convolutions: of a mean, and of the whole map."""
    one, whole, point = conv(6, strides=2), conv(9, (5, 7)), conv(4, 1)
    inputs = keras.Input(SIZE)
    x = L.ReLU()(one(inputs))
    x = L.Concatenate()([L.GlobalAveragePooling2D(keepdims=True)(x), L.ReLU()(whole(x))])
    model = keras.Model(inputs, L.Softmax()(L.Reshape((4,))(point(x))))

    def tree(x):
        x = slow.relu(slow.conv(x, *_weights(one), stride=2))
        kernel, bias = _weights(whole)
        flat = slow.relu(slow.dense(x, kernel.reshape(-1, 9), bias))
        kernel, bias = _weights(point)
        return slow.dense(slow.concat(slow.average(x), flat), kernel[0, 0], bias)

    return model, tree


def arithmetic():
    """Branches that are subtracted, or of which the larger or the smaller counts."""
    layers = [conv(6, padding="same") for _ in range(4)]
    out = dense(4)
    inputs = keras.Input(SIZE)
    a, b, c, d = (layer(inputs) for layer in layers)
    x = L.Subtract()([L.Maximum()([a, b]), L.Minimum()([c, d])])
    model = keras.Model(inputs, out(L.GlobalAveragePooling2D()(x)))

    def tree(x):
        a, b, c, d = (slow.conv(x, *_weights(layer), padding="same") for layer in layers)
        x = slow.residual(slow.extreme(a, b, max), slow.extreme(c, d, min), branch_sign=-1)
        return _scores(slow.average(x), out)

    return model, tree


class _Raw(L.Layer):
    """Operations that Keras does not make itself, but that older and imported models hold."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(2)
        self.values = [rng.normal(0, 1, (2, 3, 3, 6)), *rng.normal(0, 1, (3, 6))]
        self.values.append(rng.uniform(0.5, 2, 6))

    def call(self, x):
        kernel, *norm = (tf.constant(v, tf.float32) for v in self.values)
        x = tf.nn.conv2d(x, kernel, 2, [[0, 0], [1, 0], [2, 1], [0, 0]])
        x = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=norm[0], offset=norm[1], mean=norm[2], variance=norm[3],
            epsilon=1e-3, is_training=False,
        ).y  # fmt: skip
        x = tf.identity_n([x, tf.reverse(x, [1])])[0]
        return 3 / tf.add_n([x, 2 - x, tf.nn.softplus(x)])


def raw():
    """A fused batch norm, explicit padding, a sum of three that is a function of one, its inverse."""
    layer, out = _Raw(), dense(4)
    model = _sequence(layer, L.GlobalAveragePooling2D(), out)

    def tree(x):
        kernel, *norm = layer.values
        x = slow.shifted(x, np.pad(x.value, ((1, 0), (2, 1), (0, 0))), 1, 2)
        x = slow.conv(x, *slow.folded(kernel, 0.0, *norm), stride=2)
        x = slow.pointwise(slow.scaled(x, -1.0), lambda a: 3 / (2 + np.log1p(np.exp(-a))))
        return _scores(slow.average(x), out)

    return model, tree


NETWORKS = {
    f.__name__: f
    for f in (
        gap, flatten, pools, separable, groups, dilated, joined, residual, batch_norm,
        pre_activation, nested, squeeze_and_excite, layer_norm, arithmetic, raw, padded,
        convolution_heads,
    )
}  # fmt: skip
