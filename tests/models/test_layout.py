"""Channels first or last, and numbers of half precision: the same maps."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.graph import NCHW, NHWC, default_layer, final_activation, is_spatial, places
from audit.models.layers import spatial_layer
from audit.models.loading import load_model
from audit.models.trace import input_shape, trace_model

from .networks import BATCH, SIZE, L, config, images, keras, tf

CAFFE = {"first": (3, *SIZE[:2]), "last": SIZE}


def network(order, kind, channels=3):
    """The same layers in either order, every weight random."""
    data_format, axis = {"first": ("channels_first", 1), "last": ("channels_last", -1)}[order]
    how = {"data_format": data_format}
    conv = {**how, "padding": "same", "bias_initializer": "normal"}
    size = (channels, *SIZE[:2]) if order == "first" else (*SIZE[:2], channels)
    x = keras.Input(size, name="photo")
    y = L.Conv2D(7, 3, 2, activation="relu", **conv)(x)
    y = L.BatchNormalization(axis, gamma_initializer="normal")(y)
    if kind == "pooled":
        y = L.ReLU(name="top")(L.Conv2D(6, 3, **conv)(y))
        y = L.Flatten(**how)(L.MaxPooling2D(2, **how)(L.ZeroPadding2D(1, **how)(y)))
        y = L.Dense(7, "relu", bias_initializer="normal")(y)
    elif kind == "depthwise":
        y = L.DepthwiseConv2D(3, **conv)(L.AveragePooling2D(2, **how)(y))
        y = L.Conv2D(6, 1, activation="silu", name="top", **conv)(y)
        y = L.GlobalAveragePooling2D(**how)(y)
    else:
        y = L.Add(name="top")([y, L.Conv2D(7, 3, activation="relu", **conv)(y)])
        y = L.GlobalMaxPooling2D(**how)(y)
    return keras.Model(x, L.Dense(4, "softmax", bias_initializer="normal")(y))


KINDS = ["pooled", "depthwise", "skip"]


def explained(model, channels=3):
    """(trace, layer, logits and Grad-CAM maps of every class), from channels-last gradients."""
    size = input_shape(model, None)
    assert size == (*SIZE[:2], channels)
    trace = trace_model(model, BATCH, size, lambda x: x / 255.0)
    _, logits = final_activation(trace.output)
    layer, _ = default_layer(logits, trace.pixels, BATCH)
    on_grid = spatial_layer(trace, layer, "").on_grid
    maps = []
    for k in range(4):
        with trace.function.graph.as_default():
            (gradient,) = tf.gradients(logits[:, k], layer)
            gradient, at = on_grid(gradient, tf), on_grid(layer, tf)
            weights = tf.reduce_mean(tf.cast(gradient, tf.float32), [1, 2], keepdims=True)
            maps.append(tf.nn.relu(tf.reduce_sum(weights * tf.cast(at, tf.float32), -1)))
    fetch = trace.callable([trace.pixels], [logits, *maps])
    values = [v.numpy().astype(np.float32) for v in fetch(tf.constant(images()[..., :channels]))]
    return trace, layer, values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("route", ["memory", "keras", "folder"])
def test_maps_do_not_depend_on_the_order(kind, route, tmp_path):
    first, last = network("first", kind), network("last", kind)
    last.set_weights(first.get_weights())
    if route != "memory":
        path = tmp_path / ("m.keras" if route == "keras" else "m")
        first.save(path) if route == "keras" else first.export(path, verbose=False)
        first = load_model(config(path).model)
    trace, layer, found = explained(first)
    other, expected_layer, expected = explained(last)
    assert (trace.layout(layer), other.layout(expected_layer)) == (NCHW, NHWC)
    assert trace.path_of(layer) == other.path_of(expected_layer) == "top"
    assert places(layer) == tuple(expected_layer.shape[1:])
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5 * np.abs(two).max())
    assert max(np.abs(two).max() for two in expected[1:]) > 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_size_is_told_with_channels_last(channels):
    assert explained(network("first", "skip", channels), channels)[0].pixels.shape == (
        BATCH,
        *SIZE[:2],
        channels,
    )


def test_layouts_of_all_layers():
    trace = explained(network("first", "pooled"))[0]
    spatial = {p: t for p, t in trace.layers.items() if is_spatial(t, BATCH)}
    assert {trace.layout(t) for t in spatial.values()} == {NCHW}
    assert {trace.layout(trace.floats), trace.layout(trace.pixels)} == {NHWC}
    turned = [t for t in trace.layers.values() if t.op.type == "Transpose"]
    assert turned and {trace.layout(t) for t in turned} == {NCHW}  # pooling turns and turns back


def test_one_place_of_many_channels_is_not_spatial():
    """(B, 5, 1, 1) would be five places, were it channels last."""
    x = keras.Input(CAFFE["first"])
    y = L.Conv2D(5, 3, data_format="channels_first", name="top")(x)
    y = L.GlobalAveragePooling2D("channels_first", keepdims=True, name="gap")(y)
    y = L.Conv2D(4, 1, data_format="channels_first", name="one")(y)
    model = keras.Model(x, L.Softmax()(L.Flatten()(y)))
    trace, layer, _ = explained(model)
    assert trace.path_of(layer) == "top"
    assert not is_spatial(trace.layers["one"], BATCH)
    assert not is_spatial(trace.layers["gap"], BATCH)


def test_a_permutation_inside_the_model():
    """Channels last outside, first inside, as converted networks are."""
    x = keras.Input(SIZE)
    y = L.Permute((3, 1, 2))(x)
    y = L.Conv2D(5, 3, activation="relu", data_format="channels_first", name="top")(y)
    y = L.GlobalAveragePooling2D()(L.Permute((2, 3, 1), name="back")(y))
    trace, layer, _ = explained(keras.Model(x, L.Dense(4, "softmax")(y)))
    assert (trace.path_of(layer), trace.layout(layer)) == ("top", NCHW)
    assert trace.layout(trace.layers["back"]) == NHWC


def test_height_and_width_may_be_swapped():
    """A Transpose that is no change of layout."""
    x = keras.Input(SIZE)
    y = L.Permute((2, 1, 3), name="turned")(L.Conv2D(5, 3, activation="relu", name="top")(x))
    model = keras.Model(x, L.Dense(4, "softmax")(L.GlobalAveragePooling2D()(y)))
    trace, layer, _ = explained(model)
    assert (trace.path_of(layer), trace.layout(layer)) == ("turned", NHWC)


HALF = [
    (order, policy)
    for order in ("first", "last")
    for policy in ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")
    if (order, policy[-7:]) != ("first", "float16")  # no processor has that convolution
]


def with_policy(policy, order):
    keras.config.set_dtype_policy(policy)
    try:
        return network(order, "skip")
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("route", ["memory", "keras", "folder"])
@pytest.mark.parametrize(("order", "policy"), HALF)
def test_half_precision(order, policy, route, tmp_path):
    """Near the same network in float32: within what its numbers can hold."""
    whole, half = network(order, "skip"), with_policy(policy, order)
    half.set_weights(whole.get_weights())
    if route != "memory":
        path = tmp_path / ("m.keras" if route == "keras" else "m")
        half.save(path) if route == "keras" else half.export(path, verbose=False)
        half = load_model(config(path).model)
    trace, layer, found = explained(half)
    expected = explained(whole)[2]
    assert layer.dtype.name == policy.removeprefix("mixed_")
    assert trace.path_of(layer) == "top"
    step = 2**-7 if policy.endswith("bfloat16") else 2**-10
    for one, two in zip(found, expected, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, two, atol=16 * step * np.abs(two).max())


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU can run it")
def test_what_a_processor_cannot_run_is_told_before_the_run():
    with pytest.raises(AuditError) as caught:
        explained(with_policy("float16", "first"))
    line = str(caught.value)
    assert line.startswith("model: cannot be run on this machine: The Conv2D op currently only")
    assert line.endswith("else save the model with channels last") and "\n" not in line


@pytest.mark.parametrize("order", ["first", "last"])
def test_the_gradient_reaches_the_pixels(order):
    trace = explained(network(order, "pooled"))[0]
    _, logits = final_activation(trace.output)
    with trace.function.graph.as_default():
        (gradient,) = tf.gradients(logits[:, 0], trace.floats)
    (found,) = trace.callable([trace.pixels], [gradient])(tf.constant(images()))
    assert found.shape == (BATCH, *SIZE) and np.abs(found).max() > 0


def test_neither_order_is_an_image():
    with pytest.raises(AuditError, match="input is no image"):
        input_shape(keras.Model(x := keras.Input((4, 16, 20)), L.Flatten()(x)), None)
