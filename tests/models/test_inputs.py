"""Models with several inputs or outputs: chosen by name, and nothing is guessed."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.graph import default_layer, final_activation
from audit.models.loading import load_model
from audit.models.trace import input_shape, trace_model

from .networks import BATCH, SIZE, L, config, conv, dense, images, keras, tf

META = np.random.default_rng(1).normal(size=(BATCH, 4)).astype(np.float32)
COUNT = np.arange(BATCH, dtype=np.int32)[:, None]


def joined(shape="list", outputs=1):
    """An image, a vector and a whole number; the image is not the first by name or by order."""
    count = keras.Input((1,), dtype="int32", name="a_count")
    photo = keras.Input(SIZE, name="photo")
    meta = keras.Input((4,), name="meta")
    pooled = L.GlobalAveragePooling2D()(conv("top", strides=2)(photo))
    looked = L.Flatten()(L.Embedding(BATCH, 3)(count))
    x = L.Concatenate()([pooled, meta, looked])
    ends = [dense(4, "softmax", "classes")(x), dense(7, None, "embedding")(x), conv("mask")(photo)]
    ins = {"list": [count, photo, meta], "dict": {i.name: i for i in (photo, meta, count)}}[shape]
    model = keras.Model(ins, ends[0] if outputs == 1 else ends[:outputs])
    return model


def asked(model, image=None, given=("meta", "a_count"), output=None):
    return trace_model(model, BATCH, SIZE, lambda x: x / 255.0, image, given, output)


def fed(trace, fetches):
    values = {"meta": META, "a_count": COUNT}
    feeds = [trace.pixels, *trace.extras.values()]
    given = [tf.constant(images()), *(tf.constant(values[n]) for n in trace.extras)]
    return [f.numpy() for f in trace.callable(feeds, fetches)(*given)]


def expected(model):
    x = {"a_count": COUNT, "photo": images() / np.float32(255), "meta": META}
    ins = x if isinstance(model.input, dict) else list(x.values())
    return model(ins)


@pytest.mark.parametrize("shape", ["list", "dict"])
@pytest.mark.parametrize("route", ["memory", "keras", "h5", "folder"])
def test_inputs_reach_their_places(shape, route, tmp_path):
    model = joined(shape)
    wanted = expected(model).numpy()
    loaded = model
    if route != "memory":
        path = tmp_path / {"keras": "m.keras", "h5": "m.h5", "folder": "m"}[route]
        model.export(path, verbose=False) if route == "folder" else model.save(path)
        loaded = load_model(config(path).model)
    assert input_shape(loaded, None) == SIZE
    trace = asked(loaded)
    assert {n: (t.dtype.name, t.shape.as_list()) for n, t in trace.extras.items()} == {
        "meta": ("float32", [BATCH, 4]),
        "a_count": ("int32", [BATCH, 1]),
    }
    np.testing.assert_allclose(fed(trace, [trace.output])[0], wanted, rtol=1e-5)
    layer, _ = default_layer(final_activation(trace.output)[1], trace.pixels, BATCH)
    assert trace.path_of(layer) == "top"


def test_gradients_know_the_other_inputs():
    """d(probability)/d(layer) depends on them, by the softmax."""
    model = joined()
    trace = asked(model)
    with trace.function.graph.as_default():
        (gradient,) = tf.gradients(trace.output[:, 1], trace.layers["top"])
    found, top = fed(trace, [gradient, trace.layers["top"]])
    looked = next(la for la in model.layers if isinstance(la, L.Embedding))(COUNT)[:, 0]
    with tf.GradientTape() as tape:
        tape.watch(at := tf.constant(top))
        joint = tf.concat([tf.reduce_mean(at, [1, 2]), META, looked], 1)
        y = model.get_layer("classes")(joint)[:, 1]
    np.testing.assert_allclose(found, tape.gradient(y, at), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("image", "given", "line"),
    [
        (
            None,
            ["meta"],
            "model.inputs: nothing is given for the model's input 'a_count'; set it by "
            "model.inputs.constants or model.inputs.columns; the image is 'photo'",
        ),
        (
            None,
            ["meta", "a_count", "mta"],
            "model.inputs: the model has no input 'mta'; did you mean 'meta'?",
        ),
        (
            None,
            ["meta", "a_count", "photo"],
            "model.inputs: 'photo' is the image, and is given a value, too",
        ),
        ("foto", [], "model.inputs.image: the model has no input 'foto'; did you mean 'photo'?"),
    ],
)
def test_inputs_that_are_not_given(image, given, line):
    with pytest.raises(AuditError) as caught:
        asked(joined(), image, given)
    assert str(caught.value) == line


def test_an_input_that_is_no_image_cannot_be_it():
    with pytest.raises(AuditError, match="input is no image; .* received .None, 4."):
        asked(joined(), "meta", ["photo", "a_count"])


def test_two_images(tmp_path):
    left, right = keras.Input(SIZE, name="left"), keras.Input(SIZE, name="right")
    twins = [conv(name)(x) for name, x in (("l", left), ("r", right))]
    pooled = L.GlobalAveragePooling2D()(L.Subtract()(twins))
    model = keras.Model([left, right], dense(3, "softmax")(pooled))
    with pytest.raises(AuditError) as caught:
        input_shape(model, None)
    assert str(caught.value) == (
        "model: 2 inputs of the model could be the image; name one by model.inputs.image: "
        "left, right"
    )
    assert input_shape(model, None, "right") == SIZE
    trace = trace_model(model, 2, SIZE, lambda x: x, "right", ["left"])
    assert list(trace.extras) == ["left"]
    _, logits = final_activation(trace.output)
    with trace.function.graph.as_default():
        assert tf.gradients(logits, trace.floats) != [None]


def test_an_input_whose_size_is_open():
    x, words = keras.Input(SIZE, name="photo"), keras.Input((None,), name="words")
    y = L.GlobalAveragePooling2D()(conv()(x)) + keras.ops.sum(words, axis=1, keepdims=True)
    with pytest.raises(AuditError, match="input 'words' leaves its size open"):
        asked(keras.Model([x, words], y), None, ["words"])


@pytest.mark.parametrize("route", ["memory", "keras", "folder"])
def test_outputs_are_chosen_by_name(route, tmp_path):
    model = joined(outputs=3)
    wanted = expected(model)
    names = ["classes", "embedding", "mask"]
    loaded = model
    if route == "keras":
        model.save(tmp_path / "m.keras")
        loaded = load_model(config(tmp_path / "m.keras").model)
    elif route == "folder":
        model.export(tmp_path / "m", verbose=False)
        loaded = load_model(config(tmp_path / "m").model)
        names = ["output_0", "output_1", "output_2"]
    for name, value in zip(names[:2], wanted, strict=False):
        trace = asked(loaded, output=name)
        np.testing.assert_allclose(fed(trace, [trace.output])[0], value, rtol=1e-4, atol=1e-6)
    with pytest.raises(AuditError, match="no list of class scores"):
        asked(loaded, output=names[2])
    with pytest.raises(AuditError) as caught:
        asked(loaded)
    assert str(caught.value) == (
        "model: the model has 3 outputs; expected one output; name one by model.output_name: "
        + ", ".join(names)
    )
    with pytest.raises(AuditError, match="model.output_name: the model has no output 'mine'"):
        asked(loaded, output="mine")


def test_outputs_of_a_dict_have_its_keys():
    x = keras.Input(SIZE)
    pooled = L.GlobalAveragePooling2D()(conv()(x))
    model = keras.Model(x, {"z": dense(3, "softmax")(pooled), "a": dense(2)(pooled)})
    assert asked(model, None, (), "z").output.shape == (BATCH, 3)
    assert asked(model, None, (), "a").output.shape == (BATCH, 2)


def test_the_name_of_the_only_output_may_be_given():
    x = keras.Input(SIZE)
    model = keras.Model(x, dense(3, "softmax", "classes")(L.GlobalAveragePooling2D()(conv()(x))))
    assert asked(model, None, (), "classes").output.shape == (BATCH, 3)
