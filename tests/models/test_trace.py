"""Tracing leaves a model as it was, and says what it cannot take."""

import inspect

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.trace import input_shape, named_layers, trace_model

from .networks import NETWORKS, SIZE, L, conv, dense, keras, tf


def trace(model, size=SIZE):
    return trace_model(model, 2, size, lambda x: x)


def patched(model):
    return [path for path, layer in named_layers(model, "") if "call" in vars(layer)]


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_left_as_they_were(name, network):
    model = network(name)[0].model
    x = np.ones((1, *SIZE), np.float32)
    before = model(x).numpy()
    trace(model)
    assert patched(model) == []
    np.testing.assert_array_equal(model(x).numpy(), before)


def test_layers_are_left_as_they_were_when_tracing_fails(network):
    model = network("nested")[0].model
    with pytest.raises(AuditError, match="does not take images of 5x5x1"):
        trace(model, (5, 5, 1))
    assert patched(model) == []


def test_a_call_of_a_layer_s_own_is_kept():
    x = keras.Input(SIZE)
    layer = L.ReLU(name="mine")
    model = keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(layer(conv()(x)))))
    own = layer.call
    object.__setattr__(layer, "call", own)
    trace(model)
    assert vars(layer)["call"] is own


def test_every_layer_is_noted_by_its_path(network):
    layers = trace(network("nested")[0].model).layers
    assert {"base", "base/block", "base/block/stem", "base/block/top"} <= set(layers)
    assert layers["base/block/top"].shape.as_list() == [2, 5, 7, 5]


def with_input(shape):
    x = keras.Input(shape)
    return keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(x))))


def test_the_size_of_the_input():
    assert input_shape(with_input((8, 9, 1)), None) == (8, 9, 1)
    assert input_shape(with_input((8, 9, 1)), (8, 9)) == (8, 9, 1)
    assert input_shape(with_input((None, None, 3)), (5, 6)) == (5, 6, 3)
    assert input_shape(with_input((None, 7, 3)), (5, 7)) == (5, 7, 3)


@pytest.mark.parametrize(
    ("shape", "given", "message"),
    [
        ((None, None, 3), None, "leaves its input size open; set model.input_size"),
        ((8, 9, 3), (9, 8), r"input size of its own; expected \[8, 9\]"),
        ((8, 9, 4), None, "input is no image; expected shape"),
    ],
)
def test_sizes_that_cannot_be(shape, given, message):
    with pytest.raises(AuditError, match=message):
        input_shape(with_input(shape), given)


def test_models_that_are_no_image_classifiers():
    x, y = keras.Input(SIZE), keras.Input(SIZE)
    pooled = L.GlobalAveragePooling2D()(conv()(x))
    with pytest.raises(AuditError, match="2 inputs of the model could be the image"):
        input_shape(keras.Model([x, y], dense(3)(L.GlobalAveragePooling2D()(x + y))), None)
    vector = keras.Input((7,))
    with pytest.raises(AuditError, match="input is no image"):
        input_shape(keras.Model(vector, dense(3)(vector)), None)
    with pytest.raises(AuditError, match="the model has 2 outputs"):
        trace(keras.Model(x, [dense(3)(pooled), dense(2)(pooled)]))
    with pytest.raises(AuditError, match="no list of class scores"):
        trace(keras.Model(x, conv()(x)))


def test_a_class_of_a_user_s_own_knows_what_it_was_built_with(network):
    assert input_shape(network("transfer")[0].model, None) == SIZE


def test_calls_that_are_no_public_api_are_still_there():
    """What trace.py and probe.py lean on beyond the documented API of TensorFlow and Keras."""
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    wanted = {"include_self", "recursive"}
    flatten = getattr(L.Layer, "_flatten_layers", None)
    assert flatten is not None and wanted <= set(inspect.signature(flatten).parameters), (
        f"{versions}: Layer._flatten_layers(include_self, recursive) is gone; mend "
        "audit/models/trace.py: named_layers"
    )
    assert hasattr(tf.compat.v1, "wrap_function"), (
        f"{versions}: tf.compat.v1.wrap_function is gone; mend audit/models/trace.py: trace_model"
    )
    wrapped = tf.compat.v1.wrap_function(lambda x: {"y": x * 2}, [tf.TensorSpec((2,), tf.float32)])
    with wrapped.graph.as_default():
        (gradient,) = tf.gradients(wrapped.structured_outputs["y"], wrapped.inputs[0])
    try:
        (pruned,) = wrapped.prune([], [gradient])()
    except Exception as error:
        pytest.fail(
            f"{versions}: wrap_function().prune changed ({error}); mend audit/models/probe.py"
        )
    assert pruned.numpy().tolist() == [2, 2]
    assert memoryview(tf.constant([1.0])).tolist() == [1.0], f"{versions}: no buffer; mend _array"
