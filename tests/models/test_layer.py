"""Which layer is looked at: the default rule, names of a user's own, and refusals."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.graph import default_layer, final_activation, is_spatial
from audit.models.loading import load_model
from audit.models.probe import ModelProbe
from audit.models.trace import trace_model

from .networks import SIZE, L, config, conv, dense, images, keras


def chosen(model, size):
    """(path, shape) of the default layer; traced without a file."""
    trace = trace_model(model, 2, size, lambda x: x)
    _, logits = final_activation(trace.output)
    layer, _ = default_layer(logits, trace.pixels, 2)
    return trace.path_of(layer), tuple(layer.shape[1:3])


def head(tensor):
    return dense(3, "softmax")(L.GlobalAveragePooling2D()(tensor))


def saved(tmp_path, inputs, outputs):
    path = tmp_path / "m.keras"
    keras.Model(inputs, outputs).save(path)
    return path


def refused(path, **keys):
    with pytest.raises(AuditError) as caught:
        ModelProbe(config(path, **keys))
    return str(caught.value)


@pytest.mark.parametrize(
    "after",
    [
        [lambda: L.MaxPooling2D()],
        [lambda: L.AveragePooling2D(2)],
        [lambda: L.ZeroPadding2D(1), lambda: L.MaxPooling2D()],
        [lambda: L.Dropout(0.5), lambda: L.Activation("linear")],
        [lambda: L.MaxPooling2D((6, 8))],
    ],
)
def test_pooling_and_padding_are_stepped_over(after):
    x = keras.Input(SIZE)
    tensor = conv("top", strides=2)(x)
    for layer in after:
        tensor = layer()(tensor)
    assert chosen(keras.Model(x, dense(3)(L.Flatten()(tensor))), SIZE)[0] == "top"


@pytest.mark.parametrize("route", ["memory", "folder"])
def test_grouped_convolutions_are_convolutions(route, tmp_path):
    """Keras 3 leaves them as calls of functions of their own."""
    x = keras.Input(SIZE)
    model = keras.Model(x, head(L.Conv2D(9, 3, groups=3, activation="relu", name="top")(x)))
    if route == "folder":
        model.export(tmp_path / "m", verbose=False)
        model = load_model(config(tmp_path / "m").model)
    assert chosen(model, SIZE) == ("top", (14, 18))


def test_a_one_by_one_grid_is_passed_over():
    """A convolution as head, as MobileNet has it: its grid of one place is no heatmap."""
    x = keras.Input(SIZE)
    pooled = L.GlobalAveragePooling2D(keepdims=True)(conv("top", strides=2)(x))
    scores = L.Softmax()(L.Flatten()(L.Conv2D(3, 1, name="conv_preds")(pooled)))
    assert chosen(keras.Model(x, scores), SIZE)[0] == "top"


def test_silu_is_taken_behind_its_activation():
    x = keras.Input(SIZE)
    tensor = L.Activation("silu", name="act")(conv("top", activation=None)(x))
    assert chosen(keras.Model(x, head(tensor)), SIZE)[0] == "act"


@pytest.mark.parametrize("layer", ["base/block/stem", "base/block/top", "base/block", "base"])
def test_a_layer_by_its_path(probe, layer):
    facts = probe("nested", explain__layer=layer).facts
    assert facts.layers[0].reason == "named in the config"
    assert facts.layers[0].path == {"base/block": "base/block/top"}.get(layer, facts.layers[0].path)
    assert facts.layers[0].shape[2] == 5


def test_a_layer_that_is_held_in_two_places_has_two_names(probe):
    assert probe("transfer", explain__layer="top").facts.layers[0].path == "base/top"


def test_an_unknown_layer_names_the_nearest(network):
    path = network("nested")[1]
    line = refused(path, explain__layer="base/block/tpo")
    assert line == "explain.layer: no layer 'base/block/tpo'; did you mean 'base/block/top'?"


def test_a_layer_that_is_not_spatial(network):
    path = network("flatten")[1]
    name = keras.saving.load_model(path).layers[-1].name
    line = refused(path, explain__layer=name)
    assert line.startswith(
        f"explain.layer: layer {name!r} is not spatial; expected an output (H, W, C)"
    )


def test_a_model_without_a_spatial_layer(tmp_path):
    x = keras.Input((4, 4, 3))
    line = refused(saved(tmp_path, x, dense(3, "softmax")(L.Flatten()(x))))
    assert "the model has no spatial layer" in line


def test_reshaped_vectors_are_no_image(tmp_path):
    x = keras.Input((4, 4, 3))
    tensor = L.LayerNormalization()(L.Reshape((6, 8, 1))(dense(48)(L.Flatten()(x))))
    assert "no spatial layer" in refused(saved(tmp_path, x, head(tensor)))


def test_a_head_of_two_branches_names_both(tmp_path):
    x = keras.Input(SIZE)
    pooled = [L.GlobalAveragePooling2D()(conv(name)(x)) for name in ("left", "right")]
    path = saved(tmp_path, x, dense(3, "softmax")(L.Concatenate()(pooled)))
    line = refused(path)
    assert "the head joins several branches" in line
    assert "left" in line and "right" in line
    named = ModelProbe(config(path, explain__layer="left"))
    assert named.facts.layers[0].path == "left" and named.default_grid() is None


def test_attention_is_told(tmp_path):
    x = keras.Input(SIZE)
    tokens = L.Reshape((63, 4))(conv(filters=4, strides=2)(x))
    mixed = L.MultiHeadAttention(1, 4)(tokens, tokens)
    path = saved(tmp_path, x, dense(3, "softmax")(L.GlobalAveragePooling1D()(mixed)))
    assert "attention lies between the head and the last spatial layer" in refused(path)


def test_attention_before_convolutions_is_no_hindrance(tmp_path):
    x = keras.Input(SIZE)
    tokens = L.Reshape((63, 4))(conv(filters=4, strides=2)(x))
    mixed = L.Reshape((7, 9, 4))(L.MultiHeadAttention(1, 4)(tokens, tokens))
    path = saved(tmp_path, x, head(conv("top")(mixed)))
    assert ModelProbe(config(path)).facts.layers[0].path == "top"


def test_a_layer_without_a_gradient(tmp_path):
    x = keras.Input(SIZE)
    tensor = conv("top")(x)
    stopped = head(keras.ops.stop_gradient(tensor) * 1.0)
    asked = ModelProbe(config(saved(tmp_path, x, stopped), explain__layer="top"))
    with pytest.raises(AuditError, match="do not depend on this layer in a differentiable way"):
        asked.mean_gradients(asked.forward(images()), 0, [0], np.ones((1, 4), np.float32))


@pytest.mark.parametrize("needed", [True, False])
def test_the_default_grid_is_known_whatever_layer_is_in_use(tmp_path, needed):
    x = keras.Input(SIZE)
    model = keras.Model(x, head(conv("top", strides=2)(conv("low")(x))))
    model.save(tmp_path / "m.keras")
    probe = ModelProbe(config(tmp_path / "m.keras", explain__layer="low"), needed)
    assert probe.default_grid() == chosen(model, SIZE)[1] == (6, 8)


def test_layers_are_listed(probe):
    rows = probe("flatten").layers()
    assert [row["layer"] for row in rows if row["default"]] == ["top"]
    assert (
        rows[0]["shape"] == [7, 9, 5]
        and rows[0]["op"] == "Relu"
        and rows[0]["feeds"] == ["MaxPool"]
    )


def test_spatial_means_batch_kept_and_more_than_one_place():
    x = keras.Input(SIZE)
    trace = trace_model(keras.Model(x, head(conv("top")(x))), 2, SIZE, lambda x: x)
    assert is_spatial(trace.layers["top"], 2)
    assert not is_spatial(trace.layers["top"], 3)
    assert not is_spatial(trace.output, 2)
