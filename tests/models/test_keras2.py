"""Files of Keras 2: loaded by Keras 3, else by tf_keras, and read for code before that."""

import json
import sys
import zipfile

import h5py
import numpy as np
import pytest

from audit.models.graph import default_layer, final_activation
from audit.models.keras2 import REFUSED, known_names
from audit.models.loading import load_model
from audit.models.named import check_config
from audit.models.probe import ModelProbe
from audit.models.trace import trace_model

from .faults import fault
from .networks import BATCH, SIZE, L, config, conv, dense, images, keras, tf

tf_keras = pytest.importorskip("tf_keras", reason="needs the extra keras2")
K = tf_keras.layers


def network(middle, name="model"):
    x = tf_keras.Input(SIZE, name="photo")
    y = K.Conv2D(5, 3, activation="relu", name="top", bias_initializer="normal")(x)
    y = middle(y)
    y = K.GlobalAveragePooling2D()(y) if len(y.shape) == 4 else y
    return tf_keras.Model(x, K.Dense(4, "softmax", bias_initializer="normal")(y), name=name)


# What Keras 3 cannot load, each for a reason of its own.
OLD = {
    "depthwise": lambda y: K.DepthwiseConv2D(3, activation="relu")(y),
    "arithmetic": lambda y: tf.nn.relu(y * 2.0 + 1.0),
    "slice": lambda y: y[..., ::-1],
    "concat": lambda y: tf.concat([y, tf.math.sigmoid(y)], -1),
    "reduce": lambda y: tf.reduce_mean(y, axis=[1, 2]),
    "local": lambda y: K.LocallyConnected2D(4, 3, activation="relu")(y),
    "threshold": lambda y: K.ThresholdedReLU(0.1)(y),
    "random": lambda y: K.RandomFlip()(y),
    "nested": lambda y: network(lambda t: tf.nn.relu6(t), "inner").layers[2](y),
    "v1": lambda y: tf.compat.v1.image.resize_bilinear(y, (7, 7)),
    "backend": lambda y: tf_keras.backend.hard_sigmoid(y),
    "mixed": lambda y: K.SeparableConv2D(3, 3, dtype="mixed_float16")(y),
}


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", OLD)
def test_what_keras_3_cannot_load_is_loaded_by_tf_keras(name, suffix, tmp_path):
    if (name, suffix) == ("slice", ".keras"):
        pytest.skip("tf_keras cannot save it")
    model, path = network(OLD[name]), tmp_path / f"m{suffix}"
    model.save(path)
    with pytest.raises(Exception):  # noqa: B017 - whatever it raises
        keras.saving.load_model(path, compile=False)
    loaded = load_model(config(path).model)
    assert type(loaded).__module__.startswith("tf_keras")
    x = images().astype(np.float32) / 255
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_gradients_at_a_layer_are_those_of_the_model(suffix, tmp_path):
    model = network(lambda y: K.ReLU(name="last")(K.DepthwiseConv2D(3)(y)))
    model.save(tmp_path / f"m{suffix}")
    probe = ModelProbe(config(tmp_path / f"m{suffix}"))
    assert probe.facts.layers[0].path == "last"
    found = probe.mean_gradients(probe.forward(images()), 0, range(4), np.eye(4, dtype=np.float32))
    head = model.layers[-1]
    places = np.prod(probe.facts.layers[0].shape[:2])
    np.testing.assert_allclose(found, head.kernel.numpy().T / places, rtol=1e-5)


def test_paths_lead_into_nested_models(tmp_path):
    inner = network(lambda y: y * 2.0, "inner")
    base = tf_keras.Model(inner.input, inner.get_layer("top").output * 1.5, name="base")
    x = tf_keras.Input(SIZE)
    y = tf.nn.relu(base(x))
    model = tf_keras.Model(x, K.Dense(3, "softmax")(K.GlobalAveragePooling2D()(y)))
    model.save(tmp_path / "m.h5")
    trace = trace_model(load_model(config(tmp_path / "m.h5").model), 2, SIZE, lambda t: t)
    assert {"base", "base/top"} <= set(trace.layers)
    layer, _ = default_layer(final_activation(trace.output)[1], trace.pixels, 2)
    assert layer.op.type == "Relu"


def test_several_inputs_and_outputs(tmp_path):
    photo, meta = tf_keras.Input(SIZE, name="photo"), tf_keras.Input((4,), name="meta")
    pooled = K.GlobalAveragePooling2D()(K.DepthwiseConv2D(3)(photo))
    joined = K.Concatenate()([pooled, meta])
    ends = [K.Dense(3, "softmax", name="classes")(joined), K.Dense(2, name="other")(joined)]
    tf_keras.Model({"photo": photo, "meta": meta}, ends).save(tmp_path / "m.h5")
    loaded = load_model(config(tmp_path / "m.h5").model)
    trace = trace_model(loaded, BATCH, SIZE, lambda x: x, None, ["meta"], "other")
    assert trace.output.shape == (BATCH, 2)
    assert trace.extras["meta"].shape == (BATCH, 4)


def test_keras_2_s_savedmodel(tmp_path):
    model = network(lambda y: K.ReLU(name="last")(K.BatchNormalization()(y)))
    model.save(tmp_path / "tf", save_format="tf")
    model.export(tmp_path / "export")
    for folder in ("tf", "export"):
        probe = ModelProbe(config(tmp_path / folder))
        assert probe.facts.layers[0].path == "last"
        x = images().astype(np.float32) / 255
        found = probe.forward(images()).probabilities
        np.testing.assert_allclose(found, model(x), rtol=1e-5, atol=1e-7)


# --- code in a file -----------------------------------------------------------------------------


TRUST = "; set model.trust_code: true only if you trust where it came from"


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_lambda_is_refused_and_does_not_run(suffix, tmp_path):
    mark, name = tmp_path / "ran", str(tmp_path / "ran")

    def told(t):
        open(name, "w").close()
        return t * 2

    model = network(lambda y: K.Lambda(told)(K.DepthwiseConv2D(3)(y)))
    model.save(tmp_path / f"m{suffix}")
    mark.unlink()
    assert fault(tmp_path / f"m{suffix}") == "holds a Lambda layer, which is Python code" + TRUST
    assert not mark.exists()


def test_a_trusted_lambda_is_loaded(tmp_path):
    model = network(lambda y: K.Lambda(lambda t: t * 2)(K.DepthwiseConv2D(3)(y)))
    model.save(tmp_path / "m.h5")
    loaded = load_model(config(tmp_path / "m.h5", model__trust_code=True).model)
    x = images().astype(np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


def changed(path, change):
    """The config in an .h5 or .keras file, changed."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(change(json.loads(file.attrs["model_config"])))
        return path
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["config.json"] = json.dumps(change(json.loads(parts["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return path


def layer_of(tree, name):
    return next(layer for layer in tree["config"]["layers"] if layer["class_name"] == name)


def with_call(function):
    def change(tree):
        layer_of(tree, "TFOpLambda")["config"]["function"] = function
        return tree

    return change


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    "function",
    ["io.write_file", "io.read_file", "py_function", "compat.v1.py_func", "print",
     "saved_model.load", "raw_ops.WriteFile", "math.__builtins__.open", "compat.v1.gfile.Open",
     "keras.backend.function", "keras.utils.get_file", 7],
)  # fmt: skip
def test_calls_that_leave_the_model_are_named(function, suffix, tmp_path):
    model, path = network(lambda y: y * 2.0), tmp_path / f"m{suffix}"
    model.save(path)
    line = fault(changed(path, with_call(function)))
    assert (
        line == f"holds a call of {function!r}, which is not known to stay inside the model" + TRUST
    )


def with_object(**item):
    def change(tree):
        layer_of(tree, "Conv2D")["config"]["kernel_initializer"] = item
        return tree

    return change


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (
            {"class_name": "__lambda__", "config": {"value": "x"}},
            "a Lambda layer, which is Python code",
        ),
        (
            {"module": "os", "class_name": "Popen", "config": {}, "registered_name": None},
            "an object of the module 'os'",
        ),
        (
            {"module": "keras.layers", "class_name": "Mine", "config": {}, "registered_name": None},
            "an object of the class 'Mine', which is not known to be without code",
        ),
        (
            {"module": "builtins", "class_name": "function", "config": "a.b", "registered_name": ""},
            "a function of its own, 'a.b'",
        ),
        (
            {"module": "posix", "class_name": "function", "config": "x", "registered_name": "system"},
            "a function of its own, 'x'",
        ),
        (
            {"module": "tf_keras.src.utils.data_utils", "class_name": "Zeros", "config": {},
             "registered_name": "get_file"},
            "an object registered as 'get_file'",
        ),
        (
            {"class_name": "TFSMLayer", "config": {"filepath": "/x"}},
            "an object of the class 'TFSMLayer', which is not known to be without code",
        ),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "WriteFile"}}},
            "the operation 'WriteFile', which is not known to stay inside the model",
        ),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"node_def": "ChFXcml0ZUZpbGU="}},
            "the operation None, which is not known to stay inside the model",
        ),
        (
            {"class_name": ["Dense"], "config": {}},
            "an object of the class ['Dense'], which is not known to be without code",
        ),
    ],
)  # fmt: skip
def test_objects_that_are_no_part_of_keras_are_named(item, reason, suffix, tmp_path):
    """At any depth: here, where an initialiser is expected."""
    model, path = network(lambda y: K.DepthwiseConv2D(3)(y)), tmp_path / f"m{suffix}"
    model.save(path)
    assert fault(changed(path, with_object(**item))) == f"holds {reason}{TRUST}"


def test_every_refused_class_is_one_of_keras():
    """A name that has gone would be refused in vain."""
    assert not REFUSED & known_names(tf_keras).classes
    assert all(hasattr(tf_keras.layers, name) for name in REFUSED - {"TFSMLayer"})


def test_applications_are_let_pass():
    """Configs of every kind that tf_keras itself writes."""
    for name in ("EfficientNetV2B0", "MobileNetV3Small", "ConvNeXtTiny", "RegNetX002"):
        make = getattr(tf_keras.applications, name)
        model = make(weights=None, input_shape=(64, 64, 3), classes=3, include_top=False)
        config = json.loads(model.to_json())
        if name == "RegNetX002":
            config = {"config": config["config"]["layers"]}
        check_config(config, known_names(tf_keras), name)


def test_a_missing_tf_keras_is_told(tmp_path, monkeypatch):
    network(OLD["depthwise"]).save(tmp_path / "m.h5")
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    line = fault(tmp_path / "m.h5")
    assert line.startswith("was made by Keras 2, and Keras 3 cannot load it: ")
    assert line.endswith("; tf_keras may: pip install 'focus-audit[keras2]'")


def test_what_neither_can_load(tmp_path):
    path = tmp_path / "m.h5"
    network(OLD["depthwise"]).save(path)

    def change(tree):
        layer_of(tree, "DepthwiseConv2D")["config"]["kernel_size"] = "large"
        return tree

    line = fault(changed(path, change))
    assert line.startswith("cannot be loaded, neither by Keras 3 (") and "nor by tf_keras: " in line


def test_a_broken_file_of_keras_3_is_not_given_to_tf_keras(tmp_path):
    x = keras.Input(SIZE)
    keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(x)))).save(tmp_path / "m.keras")

    def change(tree):
        layer_of(tree, "Conv2D")["class_name"] = "Mine"
        return tree

    assert fault(changed(tmp_path / "m.keras", change)).startswith("cannot be loaded: ")


# --- more than a file can hold ------------------------------------------------------------------


def test_a_config_that_asks_for_more_than_the_file_holds(tmp_path):
    def change(tree):
        layer_of(tree, "Dense")["config"]["units"] = 2_000_000_000
        return tree

    made = {"old": network(OLD["depthwise"]), "plain": network(lambda y: y)}
    x = keras.Input(SIZE)
    made["new"] = keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(x))))
    for name, model in made.items():
        for suffix in (".h5", ".keras"):
            path = tmp_path / f"{name}{suffix}"
            model.save(path)
            line = fault(changed(path, change))
            assert line.startswith("asks for 1e+10 weights or more, which its"), (path, line)


def test_trust_does_not_make_a_file_larger(tmp_path):
    """Code may be trusted; memory that is not there may not."""
    path = tmp_path / "m.h5"
    network(OLD["depthwise"]).save(path)

    def change(tree):
        layer_of(tree, "Dense")["config"]["units"] = 2_000_000_000
        return tree

    assert "asks for 1e+10" in fault(changed(path, change), model__trust_code=True)


def test_weights_that_are_declared_and_not_stored(tmp_path):
    path = tmp_path / "m.h5"
    network(OLD["depthwise"]).save(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("model_weights/top/more", (10**6, 10**6), "float32", chunks=(100, 100))
    assert fault(path).startswith("says that it holds 1e+12 numbers in ")


@pytest.mark.parametrize("kind", ["external", "soft"])
def test_weights_of_other_files_are_not_followed(kind, tmp_path):
    path = tmp_path / "m.h5"
    network(OLD["depthwise"]).save(path)
    with h5py.File(path, "r+") as file:
        link = {"external": h5py.ExternalLink("/etc/x.h5", "/"), "soft": h5py.SoftLink("/x")}[kind]
        file["model_weights/link"] = link
    assert fault(path) == "takes the weights '/model_weights/link' from another file"


def test_the_calls_that_count_weights_are_still_there(tmp_path):
    """budget.py leans on what Keras does not document."""
    from keras.src.backend import Variable

    assert hasattr(Variable, "_initialize_with_initializer"), (
        f"Keras {keras.__version__}: mend audit/models/budget.py: _counting_keras3"
    )
    before = Variable._initialize_with_initializer
    network(lambda y: y).save(tmp_path / "m.h5")
    load_model(config(tmp_path / "m.h5").model)
    assert Variable._initialize_with_initializer is before
