"""Configs of Keras 3 that name what does more than compute: refused before Keras sees them.

Most are the ways of published faults of Keras (CVE-2024-3660, CVE-2025-1550, -8747, -9905, -9906,
    -12058
...). Keras has mended them; here they are refused whatever the version of Keras does.
"""

import json
import zipfile

import h5py
import keras as keras_
import pytest

from audit.models import keras3
from audit.models.keras3 import known_names
from audit.models.loading import load_model
from audit.models.named import check_config

from .faults import fault
from .networks import SIZE, L, config, conv, dense, keras

TRUST = "; set model.trust_code: true only if you trust where it came from"


@pytest.fixture(params=[".keras", ".h5"])
def honest(request, tmp_path):
    x = keras.Input(SIZE)
    path = tmp_path / f"m{request.param}"
    keras.Model(x, dense(3, name="last")(L.GlobalAveragePooling2D()(conv()(x)))).save(path)
    return path


def changed(path, change):
    """The config in the file, changed in place."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            tree = json.loads(file.attrs["model_config"])
            change(tree)
            file.attrs["model_config"] = json.dumps(tree)
        return path
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    tree = json.loads(parts["config.json"])
    change(tree)
    with zipfile.ZipFile(path, "w") as new:
        for name, data in {**parts, "config.json": json.dumps(tree)}.items():
            new.writestr(name, data)
    return path


def last_layer(tree):
    return next(x for x in tree["config"]["layers"] if x["config"].get("name") == "last")


def initializer(item):
    return lambda tree: last_layer(tree)["config"].update(kernel_initializer=item)


def layer(name, module="keras.layers", **settings):
    """The last layer becomes another one."""

    def change(tree):
        last_layer(tree).update(
            class_name=name,
            module=module,
            config={"name": "last", **settings},
            registered_name=None,
        )

    return change


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


HOSTILE = {
    "another module's function": (initializer(function("os", "system")), "a function of its own"),
    "the switch of safe mode": (
        initializer(function("keras.config", "enable_unsafe_deserialization")),
        "a function of its own",
    ),
    "a download": (initializer(function("keras.utils", "get_file")), "a function of its own"),
    "weights from the network": (
        initializer(function("keras.applications", "VGG16")), "a function of its own",
    ),
    "another model": (initializer(function("keras.models", "load_model")), "a function of its own"),
    "a builtin by another way": (initializer(function("builtins", "exec")),
    "a function of its own"),
    "another module's class": (
        initializer({"module": "subprocess", "class_name": "Popen", "config": {"args": ["x"]}}),
        "an object of the module 'subprocess'",
    ),
    "a package that is imported for it": (
        layer("ResNetBackbone", "keras_hub.src.models.resnet"),
        "an object of the module 'keras_hub",
    ),
    "Python code": (
        layer("Lambda", function={"class_name": "__lambda__", "config": {"value": "x"}}),
        "a Lambda layer",
    ),
    "a named function in a Lambda": (
        layer("Lambda", function=function("keras.utils", "get_file")), "a Lambda layer",
    ),
    "code where an initializer is expected": (
        initializer({"class_name": "__lambda__", "config": {"value": "x"}}), "a Lambda layer",
    ),
    "a SavedModel": (layer("TFSMLayer", filepath="/m"), "an object of the class 'TFSMLayer'"),
    "torch's pickles": (
        layer("TorchModuleWrapper", module={"class_name": "x"}), "holds an object of the",
    ),
    "another library": (layer("JaxLayer", call_fn=None), "an object of the class 'JaxLayer'"),
    "a file of this machine": (
        layer("StringLookup", vocabulary="/etc/passwd"),
        "a StringLookup that reads the file '/etc/passwd'",
    ),
    "another file of it": (
        layer("TextVectorization", vocabulary=["a"], idf_weights="/etc/passwd"),
        "that reads the file",
    ),
    "a file of another machine": (
        layer("IntegerLookup", vocabulary="gs://x/y"), "that reads the file 'gs://x/y'",
    ),
    "a type of TensorFlow": (
        initializer({"class_name": "__typespec__", "module": "builtins", "registered_name": None,
                     "spec_name": "x", "config": []}),
        "an object of the module 'builtins'",
    ),
    "a registered name": (
        lambda tree: last_layer(tree).update(registered_name="pack>Mine"),
        "an object registered as 'pack>Mine'",
    ),
    "a tool that edits files": (
        layer("KerasFileEditor", "keras.saving", filepath="/x"),
        "names the class 'KerasFileEditor'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_more_than_compute_is_named(name, honest):
    change, reason = HOSTILE[name]
    line = fault(changed(honest, change))
    assert reason in line and (line.endswith(TRUST) or "names the class" in line)


def test_code_in_a_nested_model_s_training(honest):
    """Only the outermost one's training is left out when a file is loaded."""

    def change(tree):
        item = {"class_name": "__lambda__", "config": {"value": "x"}}
        last_layer(tree)["compile_config"] = {"loss": item}

    assert "a Lambda layer" in fault(changed(honest, change))


def test_the_outermost_training_is_not_looked_at(tmp_path):
    """It is not loaded either: losses of a user's own are no reason to refuse a model."""
    x = keras.Input(SIZE)
    model = keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(x))))
    model.compile("adam", lambda a, b: keras.ops.mean(a - b))
    model.save(tmp_path / "m.keras")
    assert load_model(config(tmp_path / "m.keras").model).count_params() == model.count_params()


def test_a_lookup_with_its_words_in_the_file(tmp_path):
    """Only a file's name is refused."""
    item = {"class_name": "StringLookup", "module": "keras.layers", "registered_name": None,
            "config": {"vocabulary": ["a", "b"], "idf_weights": None}}  # fmt: skip
    check_config(item, known_names(), "here")


def test_many_parts_are_refused(monkeypatch):
    from audit.models import named

    monkeypatch.setattr(named, "MAX_OBJECTS", 2)
    items = [{"class_name": "Dense", "config": {}}] * 3
    with pytest.raises(Exception, match="here: has more than 2 parts"):
        check_config(items, known_names(), "here")


def test_what_is_refused_by_name_is_still_there():
    """A name that has gone would be refused in vain."""
    assert not known_names().classes & keras3.REFUSED
    assert all(hasattr(keras_.layers, name) for name in keras3.REFUSED)
    for name in ("get_file", "load_model", "enable_unsafe_deserialization", "VGG16", "plot_model"):
        assert name not in known_names().functions | known_names().classes


@pytest.mark.parametrize(
    "name", ["MobileNetV2", "EfficientNetV2B0", "ConvNeXtTiny", "NASNetMobile", "MobileNetV3Small"]
)
def test_applications_are_let_pass(name):
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(224, 224, 3), include_top=False
    )
    tree = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    check_config(tree, known_names(), name)


def test_operations_and_precisions_are_let_pass():
    x = keras.Input(SIZE, dtype="float16")
    y = keras.ops.relu(keras.ops.concatenate([x * 2 + 1, x[..., ::-1]], -1))
    y = L.Dense(
        3, activation=keras.activations.gelu, kernel_regularizer="l2", dtype="mixed_float16"
    )(keras.ops.mean(y, (1, 2)))
    inner = keras.Sequential([keras.Input((3,)), L.RandomFlip(seed=1), L.Dense(2)][::2])
    inner.compile("adam", "mse", metrics=["accuracy", keras.metrics.AUC()])
    tree = keras.saving.serialize_keras_object(keras.Model(x, inner(y)))
    check_config(json.loads(json.dumps(tree)), known_names(), "here")
