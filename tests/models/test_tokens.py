"""Transformers: which tokens are explained, and how they lie on a grid."""

from types import SimpleNamespace

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.graph import default_layer, final_activation, needs
from audit.models.layers import Layer, LayerFacts
from audit.models.loading import load_model
from audit.models.tokens import CLASS_TOKEN, POOLED, token_grid, token_layer
from audit.models.trace import input_shape, trace_model

from .networks import BATCH, L, config, images, keras, tf

SIZE = (16, 24, 3)
GRID = (4, 6)
WIDTH = 8


def tokens(skip, grid=GRID):
    return SimpleNamespace(grid=grid, skip=skip)


@keras.saving.register_keras_serializable("focus_audit_tests")
class FirstTokens(L.Layer):
    """Learned tokens before those of the patches."""

    def __init__(self, count=1, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, shape):
        self.own = self.add_weight(shape=(1, self.count, shape[-1]), initializer="normal")

    def call(self, x):
        own = keras.ops.broadcast_to(self.own, (keras.ops.shape(x)[0], self.count, WIDTH))
        return keras.ops.concatenate([keras.ops.cast(own, x.dtype), x], axis=1)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("focus_audit_tests")
class FusedAttention(L.Layer):
    """Queries, keys and values of one matrix, as most published transformers have them."""

    def build(self, shape):
        self.qkv = L.Dense(3 * WIDTH, name="qkv")
        self.out = L.Dense(WIDTH, name="out")
        self.qkv.build(shape)
        self.out.build(shape)

    def call(self, x):
        ops = keras.ops
        count = x.shape[1]
        qkv = ops.reshape(self.qkv(x), (-1, count, 3, 2, WIDTH // 2))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
        weights = ops.softmax(0.5 * ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))))
        mixed = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, count, WIDTH)))

    def compute_output_shape(self, shape):
        return shape


def separate(name):
    attention = L.MultiHeadAttention(2, WIDTH // 2, name=name)
    return lambda x: attention(x, x)


def fused(name):
    return FusedAttention(name=name)


def transformer(first, head, attention=separate, depth=2, after=False):
    """``head`` takes the normalised tokens; ``after``: norms behind the sums, as at first."""
    x = keras.Input(SIZE)
    y = L.Reshape((GRID[0] * GRID[1], WIDTH))(L.Conv2D(WIDTH, 4, 4, name="patches")(x))
    y = FirstTokens(first, name="first")(y) if first else y
    for k in range(depth):
        y = block(y, k, attention, after)
    y = y if after else L.LayerNormalization(name="norm")(y)
    return keras.Model(x, L.Dense(3, "softmax", name="scores")(head(y)))


def block(y, k, attention, after):
    one, two = (L.LayerNormalization(name=f"norm{n}_{k}") for n in (1, 2))
    inner = lambda t: L.Dense(WIDTH)(L.Dense(12, "gelu")(t))  # noqa: E731
    if after:
        y = one(L.Add()([y, attention(f"attention_{k}")(y)]))
        return two(L.Add()([y, inner(y)]))
    y = L.Add(name=f"mid_{k}")([y, attention(f"attention_{k}")(one(y))])
    return L.Add(name=f"end_{k}")([y, inner(two(y))])


def mapped(y):
    """A head that is an attention of its own, with a learned query."""
    query = FirstTokens(1, name="query")(y)[:, :1]
    return L.Flatten()(L.MultiHeadAttention(2, 4, name="pool")(query, y))


HEADS = {
    "class token": (1, lambda y: y[:, 0], "norm1_1", CLASS_TOKEN),
    "class token kept": (1, lambda y: L.Flatten()(y[:, :1]), "norm1_1", CLASS_TOKEN),
    "class token from behind": (1, lambda y: y[:, -25], "norm1_1", CLASS_TOKEN),
    "class token gathered": (1, lambda y: keras.ops.take(y, 0, axis=1), "norm1_1", CLASS_TOKEN),
    "class token split off": (
        1,
        lambda y: L.Flatten()(keras.ops.split(y, [1], axis=1)[0]),
        "norm1_1",
        CLASS_TOKEN,
    ),
    "class token, hidden": (1, lambda y: L.Dense(5, "tanh")(y[:, 0]), "norm1_1", CLASS_TOKEN),
    "two tokens": (2, lambda y: L.Average()([y[:, 0], y[:, 1]]), "norm1_1", CLASS_TOKEN),
    "mean": (0, L.GlobalAveragePooling1D(), "norm", POOLED),
    "mean of all": (1, L.GlobalAveragePooling1D(), "norm", POOLED),
    "mean of patches": (1, lambda y: L.GlobalAveragePooling1D()(y[:, 1:]), "norm", POOLED),
    "both": (
        1,
        lambda y: L.Concatenate()([y[:, 0], L.GlobalAveragePooling1D()(y)]),
        "norm",
        POOLED,
    ),
    "one patch": (1, lambda y: y[:, 3], "norm", POOLED),
    "flat": (0, L.Flatten(), "norm", POOLED),
    "mapped": (0, mapped, "norm", POOLED),
}


def chosen(model, skip, grid=GRID):
    trace = trace_model(model, BATCH, input_shape(model, None), lambda x: x / 255.0)
    _, logits = final_activation(trace.output)
    return trace, logits, *token_layer(logits, trace, BATCH, tokens(skip, grid))


def gradients(trace, logits, layer, skip):
    """(tokens on the grid, d(logit 1)/d(tokens) on the grid), from the graph."""
    with trace.function.graph.as_default():
        (gradient,) = tf.gradients(logits[:, 1], layer)
        lies = Layer(layer, LayerFacts("", (*GRID, layer.shape[2]), ""), skip=skip)
        fetches = [lies.on_grid(t, tf) for t in (layer, gradient)]
    pixels = tf.constant(images(size=SIZE))
    return [t.numpy() for t in trace.callable([trace.pixels], fetches)(pixels)]


@pytest.mark.parametrize("attention", [separate, fused])
@pytest.mark.parametrize("name", HEADS)
def test_the_default_tokens(name, attention):
    skip, head, path, why = HEADS[name]
    trace, logits, layer, grid, reason = chosen(transformer(skip, head, attention), skip)
    assert (trace.path_of(layer), grid, reason) == (path, GRID, why)
    at, gradient = gradients(trace, logits, layer, skip)
    assert at.shape == gradient.shape == (BATCH, *GRID, WIDTH)
    seen = np.abs(gradient).max(axis=(0, 3))
    assert (seen > 0).sum() == (1 if name == "one patch" else np.prod(GRID))


@pytest.mark.parametrize("attention", [separate, fused])
def test_behind_the_last_attention_patches_have_no_gradient(attention):
    """Why the rule is not to take the last tokens there."""
    trace, logits, *_ = chosen(transformer(1, lambda y: y[:, 0], attention), 1)
    for path in ("norm", "end_1", "norm2_1", "mid_1"):
        _, gradient = gradients(trace, logits, trace.layers[path], 1)
        np.testing.assert_array_equal(gradient, 0)
    _, gradient = gradients(trace, logits, trace.layers["norm1_1"], 1)
    assert np.abs(gradient).max() > 0


def test_gradients_are_those_of_a_tape():
    model = transformer(1, lambda y: y[:, 0])
    trace, logits, layer, _, _ = chosen(model, 1)
    at, found = gradients(trace, logits, layer, 1)
    get = model.get_layer
    x = images(size=SIZE).astype(np.float32) / 255
    y = get("first")(tf.reshape(get("patches")(x), (BATCH, -1, WIDTH)))
    names = [layer.name for layer in model.layers]
    dense = [get(n) for n in names if n.startswith("dense")]
    for k in range(2):
        with tf.GradientTape() as tape:
            normed = get(f"norm1_{k}")(y)
            tape.watch(normed)
            y = y + get(f"attention_{k}")(normed, normed)
            y = y + dense[2 * k + 1](dense[2 * k](get(f"norm2_{k}")(y)))
            end = get("norm")(y)[:, 0]
            score = (end @ get("scores").kernel + get("scores").bias)[:, 1]
    expected = tape.gradient(score, normed)[:, 1:]
    np.testing.assert_allclose(at, np.reshape(normed[:, 1:], at.shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found, np.reshape(expected, found.shape), rtol=1e-3, atol=1e-5 * np.abs(expected).max()
    )


def test_norms_behind_the_sums():
    trace, _, layer, _, _ = chosen(transformer(1, lambda y: y[:, 0], after=True), 1)
    assert trace.path_of(layer) == "norm2_0"


def test_a_single_block_reads_the_patches_themselves():
    trace, _, layer, _, reason = chosen(transformer(1, lambda y: y[:, 0], depth=1), 1)
    assert (trace.path_of(layer), reason) == ("norm1_0", CLASS_TOKEN)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = transformer(1, lambda y: y[:, 0])
    finally:
        keras.config.set_dtype_policy("float32")
    trace, _, layer, _, _ = chosen(model, 1)
    assert trace.path_of(layer) == "norm1_1"


@pytest.mark.parametrize("attention", [separate, fused])
@pytest.mark.parametrize("name", ["class token", "mean"])
def test_a_folder_has_the_same_tokens(name, attention, tmp_path):
    skip, head, path, why = HEADS[name]
    model = transformer(skip, head, attention)
    model.export(tmp_path / "m", verbose=False)
    found = chosen(load_model(config(tmp_path / "m").model), skip)
    expected = chosen(model, skip)
    assert (found[0].path_of(found[2]), found[4]) == (path, why)
    for one, two in zip(gradients(*found[:3], skip), gradients(*expected[:3], skip), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7 * np.abs(two).max())


# --- numbers that do not fit --------------------------------------------------------------------


def refused(model, skip, grid):
    with pytest.raises(AuditError) as caught:
        chosen(model, skip, grid)
    return str(caught.value)


HINT = "; set grid: [rows, columns] and skip: (1 with a class token, 0 without)"


@pytest.mark.parametrize(
    ("first", "skip", "grid", "line"),
    [
        (1, 1, "auto", "the model has 25 tokens; expected 1 to skip and a square"),
        (1, 1, (5, 5), "the model has 25 tokens; expected 1 to skip and 5x5, 26 in all"),
        (0, 1, GRID, "the model has 24 tokens; expected 1 to skip and 4x6, 25 in all"),
        (1, 0, GRID, "the model has 25 tokens; expected 0 to skip and 4x6, 24 in all"),
        (0, 30, "auto", "the model has 24 tokens; expected 30 to skip and a square"),
    ],
)
def test_counts_that_are_not_the_grid(first, skip, grid, line):
    model = transformer(first, L.GlobalAveragePooling1D())
    assert refused(model, skip, grid) == f"explain.tokens: {line}{HINT}"


def test_a_square_is_found():
    x = keras.Input((16, 16, 3))
    y = L.Reshape((16, WIDTH))(L.Conv2D(WIDTH, 4, 4)(x))
    y = L.LayerNormalization(name="norm")(y)
    model = keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(y)))
    assert chosen(model, 0, "auto")[3] == (4, 4)
    assert "16 tokens" in refused(model, 1, "auto")


def test_a_model_without_tokens():
    x = keras.Input(SIZE)
    model = keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x))))
    assert refused(model, 0, GRID).startswith("explain.tokens: the model has no tokens; expected")


def test_a_named_layer_is_checked():
    trace = chosen(transformer(1, lambda y: y[:, 0]), 1)[0]
    assert token_grid(trace.layers["end_0"], BATCH, tokens(1)) == GRID
    with pytest.raises(AuditError, match="holds no tokens; expected shape .batch, tokens, channel"):
        token_grid(trace.layers["patches"], BATCH, tokens(1))
    with pytest.raises(AuditError, match="the model has 25 tokens; expected 2 to skip and 4x6, 26"):
        token_grid(trace.layers["end_0"], BATCH, tokens(2))


def test_a_transformer_without_tokens_in_the_config_is_told():
    model = transformer(1, lambda y: y[:, 0])
    trace = trace_model(model, BATCH, SIZE, lambda x: x)
    _, logits = final_activation(trace.output)
    with pytest.raises(AuditError, match="attention lies between .* explain.tokens"):
        default_layer(logits, trace.pixels, BATCH)


def test_operations_are_numbered_as_they_are_made():
    """tokens.py sorts by it."""
    with tf.Graph().as_default() as graph:
        tf.constant(1.0) + tf.constant(2.0)
        numbers = [getattr(o, "_id", None) for o in graph.get_operations()]
    assert None not in numbers, f"TensorFlow {tf.__version__}: mend audit/models/tokens.py: _age"
    assert numbers == sorted(numbers)
    assert needs(
        [graph.get_operations()[-1].outputs[0]], *[graph.get_tensor_by_name("Const:0")] * 2
    )
