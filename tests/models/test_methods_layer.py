"""Methods that look at a layer, each against its paper written out in loops.

Activations and gradients are TensorFlow's own, by a tape through the network's head; the loops run
over them in float64.
"""

import math

import numpy as np
import pytest

from audit.errors import AuditError
from audit.explain import METHODS, ClassScore, Question, Wanted
from audit.models.probe import ModelProbe

from .networks import BATCH, NETWORKS, SIZE, L, config, conv, dense, images, keras, tf

every_network = pytest.mark.parametrize("name", NETWORKS)
LINEAR_HEADS = ["gap", "transfer", "binary", "multi_label", "logits", "shared", "batch_norm"]


def question(probe, pixels, rows, outputs):
    facts = probe.facts
    wanted = [
        Wanted(row, ClassScore(tuple(own), facts.score, facts.activation))
        for row, own in zip(rows, outputs, strict=True)
    ]
    return Question(probe, probe.forward(pixels), wanted, range(BATCH), 56, 0)


def every_class(probe, pixels):
    """Every class of every image."""
    n = probe.facts.n_outputs
    rows = np.repeat(np.arange(BATCH), n)
    return question(probe, pixels, rows, [[k] for k in range(n)] * BATCH)


def maps_of(method, asked, layer=0, **options):
    entry = METHODS.get(method)
    return entry.heatmaps(asked.trace(layer), entry.defaults() | options)


def score_of(name, label):
    """The class's score as a function of the head's output (n,)."""
    if name == "binary":
        return lambda y: (2 * label - 1) * y[0]
    return lambda y: y[label]


def activation_and_gradient(network, pixels, score):
    """float64 (h, w, C) both, of one image (H, W, C)."""
    x = tf.constant(pixels[None] / np.float32(255))
    activation = tf.constant(network.front(x))
    with tf.GradientTape() as tape:
        tape.watch(activation)
        y = score(network.head(activation, x)[0])
    gradient = tape.gradient(y, activation)
    return activation[0].numpy().astype(np.float64), gradient[0].numpy().astype(np.float64)


def weighted(a, weights):
    """ReLU(sum_k w_k A_k)."""
    height, width, channels = a.shape
    total = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        for k in range(channels):
            total[i, j] += weights[k] * a[i, j, k]
    return np.maximum(total, 0)


def slow_guided_gate(a, g):
    height, width, channels = a.shape
    weights = np.zeros(channels)
    for i, j, k in np.ndindex(*a.shape):
        if a[i, j, k] > 0 and g[i, j, k] > 0:
            weights[k] += g[i, j, k] / (height * width)
    return weighted(a, weights)


def slow_counterfactual(a, g):
    height, width, channels = a.shape
    return weighted(a, [-g[:, :, k].sum() / (height * width) for k in range(channels)])


def slow_plus_plus(a, g):
    """Equations 7 and 19 of Chattopadhay et al. 2018, with exp(y) left out."""
    channels = a.shape[2]
    weights = np.zeros(channels)
    for k in range(channels):
        everywhere = sum(a[i, j, k] for i, j in np.ndindex(a.shape[:2]))
        for i, j in np.ndindex(a.shape[:2]):
            slope = g[i, j, k]
            below = 2 * slope**2 + everywhere * slope**3
            alpha = slope**2 / below if below != 0 else 0.0
            weights[k] += alpha * max(slope, 0)
    return weighted(a, weights)


def slow_hirescam(a, g):
    total = np.zeros(a.shape[:2])
    for i, j, k in np.ndindex(*a.shape):
        total[i, j] += g[i, j, k] * a[i, j, k]
    return np.maximum(total, 0)


def slow_layercam(a, g):
    total = np.zeros(a.shape[:2])
    for i, j, k in np.ndindex(*a.shape):
        total[i, j] += max(g[i, j, k], 0) * a[i, j, k]
    return np.maximum(total, 0)


def slow_xgradcam(a, g):
    """Fu et al. 2020: each place's gradient counts by its share in the channel's activation."""
    channels = a.shape[2]
    weights = np.zeros(channels)
    for k in range(channels):
        everywhere = sum(a[i, j, k] for i, j in np.ndindex(a.shape[:2]))
        for i, j in np.ndindex(a.shape[:2]):
            weights[k] += a[i, j, k] / everywhere * g[i, j, k] if everywhere != 0 else 0.0
    return weighted(a, weights)


def slow_activation(a, g):
    return weighted(a, [1 / a.shape[2]] * a.shape[2])


SLOW = {
    "gradcam_guided_gate": slow_guided_gate,
    "gradcam_counterfactual": slow_counterfactual,
    "gradcam_plus_plus": slow_plus_plus,
    "hirescam": slow_hirescam,
    "layercam": slow_layercam,
    "xgradcam": slow_xgradcam,
    "activation": slow_activation,
}


@pytest.mark.parametrize("method", SLOW)
@every_network
def test_every_class_of_every_image(name, method, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    n = asked.facts.n_outputs
    maps = maps_of(method, every_class(asked, pixels))
    seen = 0
    for found, (row, label) in zip(maps, np.ndindex(BATCH, n), strict=True):
        a, g = activation_and_gradient(made, pixels[row], score_of(name, label))
        expected = SLOW[method](a, g)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5 * maps.max())
        seen += expected.max() > 0
    # There the layer's channels are the classes themselves, and nothing speaks against one.
    assert seen or (name, method) == ("separate_softmax", "gradcam_counterfactual")


def enlarged(cells, height, width):
    """Bilinear with half-pixel centres, the outer cells' values kept beyond their centres."""
    rows, cols = cells.shape
    wide = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        v = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
        u = min(max((x + 0.5) * cols / width - 0.5, 0), cols - 1)
        i, j = min(int(v), rows - 2), min(int(u), cols - 2)
        top = (1 - u + j) * cells[i, j] + (u - j) * cells[i, j + 1]
        low = (1 - u + j) * cells[i + 1, j] + (u - j) * cells[i + 1, j + 1]
        wide[y, x] = (1 - v + i) * top + (v - i) * low
    return wide


def slow_scorecam(network, pixels, score, weights, grey):
    """Algorithm 1 of Wang et al. 2020 for one image (H, W, C), channel by channel."""

    def asked(image):
        x = tf.constant(image[None].astype(np.float32) / np.float32(255))
        return float(score(network.head(network.front(x), x)[0]))

    x = tf.constant(pixels[None] / np.float32(255))
    a = network.front(x)[0].numpy().astype(np.float64)
    increases = {}
    for k in range(a.shape[2]):
        if a[:, :, k].min() == a[:, :, k].max():
            continue
        mask = enlarged(a[:, :, k], *pixels.shape[:2])
        mask = ((mask - mask.min()) / (mask.max() - mask.min()))[:, :, None]
        baseline = asked(np.full(pixels.shape, grey))
        increases[k] = asked(mask * pixels + (1 - mask) * grey) - baseline
    if weights == "softmax":
        total = sum(math.exp(s) for s in increases.values())
        increases = {k: math.exp(s) / total for k, s in increases.items()}
    return weighted(a, [increases.get(k, 0.0) for k in range(a.shape[2])])


@pytest.mark.parametrize(("fill", "grey"), [("black", 0), ("grey", 127.5)])
@pytest.mark.parametrize("weights", ["softmax", "increase"])
@pytest.mark.parametrize("name", ["gap", "flatten", "branches", "binary"])
def test_scorecam_channel_by_channel(name, weights, fill, grey, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    rows, labels = [0, 3, 3, 1], [0, 1, 0, 1]
    wanted = question(asked, pixels, rows, [[k] for k in labels])
    maps = maps_of("scorecam", wanted, weights=weights, fill=fill)
    for found, row, label in zip(maps, rows, labels, strict=True):
        expected = slow_scorecam(made, pixels[row], score_of(name, label), weights, grey)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4 * maps.max())
    assert maps.max() > 0


def test_scorecam_of_few_channels_takes_those_that_vary_most(network, probe):
    made, asked, pixels = network("gap")[0], probe("gap"), images()
    wanted = question(asked, pixels, [2], [[1]])
    a, _ = activation_and_gradient(made, pixels[2], score_of("gap", 1))
    (found,) = maps_of("scorecam", wanted, channels=2)
    best = np.argsort(-a.std(axis=(0, 1)))[:2]
    # Weights are any, channels are these: the map lies in their span.
    basis = a[:, :, best].reshape(-1, 2)
    fitted, left, _, _ = np.linalg.lstsq(basis, found.reshape(-1).astype(float), rcond=None)
    assert fitted.min() > 0.01 and left < 1e-9 * (found**2).sum()


def test_scorecam_skips_constant_channels_and_says_its_passes(tmp_path):
    """A channel that is off costs nothing, and does not spoil the others; batches are of four."""
    keras.utils.set_random_seed(2)
    made = NETWORKS["gap"]()
    top = made.model.get_layer("top")
    kernel, bias = top.get_weights()
    bias[[1, 3]] = -1e3
    top.set_weights([kernel, bias])
    made.model.save(tmp_path / "off.keras")
    asked = ModelProbe(config(tmp_path / "off.keras"))
    wanted, ticks = question(asked, images(), [0, 0], [[0], [1]]), []
    wanted.tick = ticks.append
    maps = maps_of("scorecam", wanted)
    a, _ = activation_and_gradient(made, images()[0], score_of("gap", 0))
    alive = (a.max(axis=(0, 1)) > a.min(axis=(0, 1))).sum()
    passes = METHODS.get("scorecam").passes
    assert passes(wanted, channels=0, weights="softmax") == 8
    assert passes(wanted, channels=4, weights="softmax") == 4
    assert passes(wanted, channels=4, weights="increase") == 8
    assert 2 <= alive <= 3 and sum(ticks) == 4  # once for both targets
    for found, label in zip(maps, (0, 1), strict=True):
        expected = slow_scorecam(made, images()[0], score_of("gap", label), "softmax", 127.5)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4 * maps.max())


@pytest.mark.parametrize(
    ("score", "weights", "said"),
    [("logit", "softmax", 0), ("probability", "softmax", 1), ("probability", "increase", 0)],
)
def test_scorecam_says_where_its_softmax_is_of_no_use(score, weights, said, probe):
    wanted = question(probe("gap", explain__score=score), images(), [0], [[0]])
    settings = METHODS.get("scorecam").defaults() | {"weights": weights}
    assert len(METHODS.get("scorecam").notes(wanted, settings)) == said


def test_an_image_without_any_channel_has_an_empty_map(tmp_path):
    made = NETWORKS["gap"]()
    top = made.model.get_layer("top")
    top.set_weights([top.get_weights()[0], np.full(5, -1e3)])
    made.model.save(tmp_path / "off.keras")
    wanted = question(ModelProbe(config(tmp_path / "off.keras")), images(), [0], [[0]])
    for weights in ("softmax", "increase"):
        assert not maps_of("scorecam", wanted, weights=weights).any()


def kernel_of(network):
    """(C, n) of the model's last layer that has weights."""
    layer = [layer for layer in network.model.layers if layer.weights][-1]
    kernel = layer.get_weights()[0]
    return kernel.reshape(kernel.shape[-2:])


@pytest.mark.parametrize("name", LINEAR_HEADS)
def test_cam_is_the_layer_by_the_class_s_weights(name, network, probe):
    made, asked, pixels = network(name)[0], probe(name), images()
    n = asked.facts.n_outputs
    maps = maps_of("cam", every_class(asked, pixels))
    for found, (row, label) in zip(maps, np.ndindex(BATCH, n), strict=True):
        a, _ = activation_and_gradient(made, pixels[row], score_of(name, label))
        kernel = kernel_of(made)
        column = (2 * label - 1) * kernel[:, 0] if name == "binary" else kernel[:, label]
        np.testing.assert_allclose(found, weighted(a, column), rtol=1e-4, atol=1e-5 * maps.max())


@pytest.mark.parametrize("score", ["logit", "probability", "loss"])
@pytest.mark.parametrize("name", LINEAR_HEADS)
def test_cam_is_gradcam_times_the_number_of_cells(name, score, probe):
    asked = probe(name, explain__score=score)
    n = asked.facts.n_outputs
    outputs = [[k] for k in range(n)] + [[0, n - 1]]
    wanted = question(asked, images(), np.repeat(range(BATCH), n + 1), outputs * BATCH)
    cam, gradcam = maps_of("cam", wanted), maps_of("gradcam", wanted)
    cells = np.prod(asked.facts.layers[0].shape[:2])
    np.testing.assert_allclose(cam, gradcam * cells, rtol=1e-4, atol=1e-5 * cam.max())
    assert cam.max() > 0


def one_by_one():
    """As MobileNet v1 of keras.applications ends: (1, 1, C), dropout, a 1x1 convolution, reshape."""
    x = keras.Input(SIZE)
    y = L.GlobalAveragePooling2D(keepdims=True)(conv("top", strides=2)(x))
    y = L.Conv2D(4, 1, kernel_initializer="normal", name="preds")(L.Dropout(0.5)(y))
    return keras.Model(x, L.Softmax()(L.Reshape((4,))(y)))


def pooled_by_one_window():
    x = keras.Input(SIZE)
    y = L.AveragePooling2D((7, 9))(conv("top", strides=2)(x))
    return keras.Model(x, dense(4, "softmax")(L.Dropout(0.5)(L.Flatten()(y))))


def half_precision():
    x = keras.Input(SIZE)
    y = L.Conv2D(5, 3, 2, activation="relu", dtype="mixed_float16", name="top")(x)
    y = L.GlobalAveragePooling2D(dtype="mixed_float16")(y)
    return keras.Model(x, L.Dense(4, dtype="mixed_float16", kernel_initializer="normal")(y))


def without_bias():
    x = keras.Input(SIZE)
    y = L.GlobalAveragePooling2D()(conv("top", strides=2)(x))
    return keras.Model(x, L.Dense(4, use_bias=False, kernel_initializer="normal")(y))


def channels_first():
    x, how = keras.Input((3, *SIZE[:2])), {"data_format": "channels_first"}
    top = L.Conv2D(5, 3, 2, activation="relu", bias_initializer="normal", name="top", **how)
    return keras.Model(x, dense(4, "softmax")(L.GlobalAveragePooling2D(**how)(top(x))))


OTHER_WORDS = [one_by_one, pooled_by_one_window, half_precision, without_bias, channels_first]


@pytest.mark.parametrize("kind", ["keras", "folder"])
@pytest.mark.parametrize("make", OTHER_WORDS)
def test_heads_that_are_the_same_in_other_words(make, kind, tmp_path):
    path = tmp_path / ("model.keras" if kind == "keras" else "model")
    make().save(path) if kind == "keras" else make().export(path, verbose=False)
    asked = ModelProbe(config(path))
    assert asked.facts.layers[0].path.startswith("top")
    wanted = every_class(asked, images())
    cam, gradcam = maps_of("cam", wanted), maps_of("gradcam", wanted)
    precision = 2e-3 if make is half_precision else 1e-4
    np.testing.assert_allclose(cam, gradcam * 63, rtol=precision, atol=precision * cam.max())
    assert cam.max() > 0


def two_means():
    """Two branches are pooled and added: neither has all of the class."""
    x = keras.Input(SIZE)
    means = [L.GlobalAveragePooling2D()(conv(n, strides=2)(x)) for n in ("one", "two")]
    return keras.Model(x, dense(4, "softmax")(L.Add()(means)))


def two_heads():
    """Two dense layers are added, of which one is fed by pooling."""
    x = keras.Input(SIZE)
    y = conv("one", strides=2)(x)
    pooled, flat = L.GlobalAveragePooling2D()(y), L.Flatten()(y)
    ways = [L.Dense(4, use_bias=False)(pooled), L.Dense(4, use_bias=False)(flat)]
    return keras.Model(x, L.Softmax()(L.Add()(ways)))


def pooled_by_parts():
    x = keras.Input(SIZE)
    y = L.Flatten()(L.AveragePooling2D((3, 3))(conv("one", strides=2)(x)))
    return keras.Model(x, dense(4, "softmax")(y))


def overlapping_windows():
    """As large as the layer, but moved over it."""
    x = keras.Input(SIZE)
    y = L.AveragePooling2D((7, 9), 3, padding="same")(conv("one", strides=2)(x))
    return keras.Model(x, dense(4, "softmax")(L.Flatten()(y)))


def mean_of_rows():
    x = keras.Input(SIZE)
    y = keras.ops.mean(conv("one", strides=2)(x), axis=1)
    return keras.Model(x, dense(4, "softmax")(L.Flatten()(y)))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (two_means, "'AddV2', 'Mean'"),
        (two_heads, "'AddV2', 'MatMul', 'MatMul'"),
        (pooled_by_parts, "'MatMul', 'Reshape', 'AvgPool'"),
        (overlapping_windows, "'MatMul', 'Reshape', 'AvgPool'"),
        (mean_of_rows, "'MatMul', 'Reshape', 'Mean'"),
    ],
)
def test_cam_refuses_heads_that_only_look_alike(make, named, tmp_path):
    make().save(tmp_path / "model.keras")
    asked = ModelProbe(config(tmp_path / "model.keras", explain__layer="one"))
    with pytest.raises(AuditError, match="cam needs a head") as error:
        asked.head_weights(0)
    assert named in error.value.line()


@pytest.mark.parametrize(
    "name", ["flatten", "skip", "branches", "nested", "by_hand", "before_batch_norm"]
)
def test_cam_refuses_another_head_before_anything_runs(name, probe):
    asked = probe(name)
    wanted = question(asked, images(), [0], [[0]])
    with pytest.raises(AuditError) as error:
        METHODS.get("cam").notes(wanted, {})
    line = error.value.line()
    assert line.startswith(
        "explain.method: cam needs a head of global average pooling and one dense"
    )
    assert "received ['" in line and "gradcam" in line


def test_cam_refuses_a_second_layer_that_is_not_pooled(probe):
    asked = probe("batch_norm", explain__layer=["relu", "conv"])
    wanted = question(asked, images(), [0], [[0]])
    assert maps_of("cam", wanted, layer=0).shape == (1, 7, 9)
    with pytest.raises(AuditError, match="received .*'Mean', 'Relu'"):
        METHODS.get("cam").notes(wanted, {})


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_the_counterfactual_of_one_class_is_the_other_class_s_map_for_one_sigmoid_unit(probe):
    """Its two classes are each other's opposite, exactly."""
    wanted = every_class(probe("binary"), images())
    maps, against = maps_of("gradcam", wanted), maps_of("gradcam_counterfactual", wanted)
    np.testing.assert_allclose(against[0::2], maps[1::2], rtol=1e-5)
    np.testing.assert_allclose(against[1::2], maps[0::2], rtol=1e-5)
    assert maps.max() > 0


def halves(count=64, seed=0):
    """Noise that is red on the left, or blue on the right, and what it is (0 or 1)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 100, (count, *SIZE), np.uint8)
    labels = np.arange(count) % 2
    for image, label in zip(pixels, labels, strict=True):
        image[:, :10, 0] += np.uint8(150 * (label == 0))
        image[:, 10:, 2] += np.uint8(150 * (label == 1))
    return pixels, labels


def test_the_counterfactual_of_a_two_class_model_resembles_the_other_class_s_map(tmp_path):
    """Trained with logits and no softmax: what speaks against one class speaks for the other."""
    pixels, labels = halves()
    model = keras.Sequential(
        [
            keras.Input(SIZE),
            L.Rescaling(1 / 255),
            conv("top", 16),
            L.GlobalAveragePooling2D(),
            L.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    model.fit(pixels, labels, epochs=20, verbose=0)
    assert model.evaluate(pixels, labels, verbose=0)[1] > 0.95
    model.save(tmp_path / "two.keras")
    asked = ModelProbe(config(tmp_path / "two.keras", model__preprocess="none"))
    both = pixels[:BATCH].copy()
    both[:, :, :10, 0], both[:, :, 10:, 2] = 220, 220  # red on the left and blue on the right
    wanted = every_class(asked, both)
    maps, against = maps_of("gradcam", wanted), maps_of("gradcam_counterfactual", wanted)
    for label in (0, 1):
        for own, other, opposite in zip(
            maps[label::2], maps[1 - label :: 2], against[label::2], strict=True
        ):
            assert correlation(opposite, other) > 0.9
            assert correlation(opposite, own) < 0


CLASS_METHODS = sorted(set(SLOW) - {"activation"}) + ["gradcam", "cam", "scorecam"]


@pytest.mark.parametrize("method", CLASS_METHODS)
def test_another_head_gives_another_map(method, network, tmp_path):
    """Adebayo et al. 2018: what does not change with the weights does not explain the model."""
    made = network("gap")[0]
    copy = keras.models.clone_model(made.model)
    copy.set_weights(made.model.get_weights())
    maps, rng = [], np.random.default_rng(8)
    for file in ("one.keras", "other.keras"):
        # Large enough for logits that differ, as a trained head's do: Score-CAM has a softmax.
        copy.layers[-1].set_weights([rng.normal(0, 20, (5, 4)), np.zeros(4)])
        copy.save(tmp_path / file)
        asked = ModelProbe(config(tmp_path / file))
        maps.append(maps_of(method, every_class(asked, images())).reshape(BATCH * 4, -1))
    changed = [
        np.abs(a / max(a.max(), 1e-12) - b / max(b.max(), 1e-12)).max() > 0.05
        for a, b in zip(*maps, strict=True)
        if a.any() or b.any()
    ]
    assert len(changed) > 8 and np.mean(changed) > 0.7


def test_the_gate_gives_nearly_the_same_map_for_every_class(tmp_path):
    """Which is why it is not the default: channels cannot speak against a class."""
    x = keras.Input(SIZE)
    pooled = L.GlobalAveragePooling2D()(conv("top", 200, strides=2)(x))
    keras.Model(x, dense(4, "softmax")(pooled)).save(tmp_path / "wide.keras")
    wanted = every_class(ModelProbe(config(tmp_path / "wide.keras")), images())
    alike = {}
    for method in ("gradcam_guided_gate", "gradcam"):
        of_image = maps_of(method, wanted).reshape(BATCH, 4, -1) + 1e-9 * np.arange(63)
        alike[method] = min(np.corrcoef(own).min() for own in of_image)
    # Of noise through random weights; through trained ones (MobileNetV2) it is .99 and .03.
    assert alike["gradcam_guided_gate"] > alike["gradcam"] + 0.5
