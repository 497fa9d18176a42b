"""Model files: what is no model is told in a line, and code in a file does not run by itself."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from audit.config.model import KERAS_PREPROCESS
from audit.errors import AuditError
from audit.models.loading import load_model
from audit.models.probe import ModelProbe

from .faults import fault
from .networks import SIZE, L, config, conv, dense, images, keras, tf

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
)


def test_files_that_are_no_model(tmp_path, network):
    def made(name, data):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    hdf5 = tmp_path / "whole.h5"
    network("gap")[0].model.save(hdf5)
    assert fault(tmp_path / "gone.keras") == "no such file"
    assert "not a Keras model; expected a zip archive" in fault(made("text.keras", b"text"))
    assert "rename it to .h5" in fault(made("hdf5.keras", hdf5.read_bytes()))
    assert "is not a Keras model; expected an HDF5 file" in fault(made("text.h5", b"text"))
    assert "is not a Keras model" in fault(made("empty.h5", b""))
    assert "is not a Keras model" in fault(made("empty.keras", b""))
    assert "expected a name that ends with .keras" in fault(made("model.pt", b"PK"))
    assert "cannot be loaded: " in fault(made("cut.h5", hdf5.read_bytes()[:3000]))
    (tmp_path / "folder.keras").mkdir()
    assert fault(tmp_path / "folder.keras").startswith("is no model; expected a .keras")


def test_archives_that_are_no_model(tmp_path, network):
    for name, members in {
        "other": {"a.txt": "x"},
        "broken": {"config.json": "{", "metadata.json": "{}"},
    }.items():
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            for member, text in members.items():
                archive.writestr(member, text)
        assert "cannot be loaded: " in fault(tmp_path / f"{name}.keras")
    data = network("gap")[1].read_bytes()
    (tmp_path / "cut.keras").write_bytes(data[: len(data) // 2])
    assert "is not a Keras model" in fault(tmp_path / "cut.keras")


def test_a_class_that_is_not_known(tmp_path, network):
    """The file names a class of the user's own, which nothing here defines."""
    source = network("gap")[1]
    path = tmp_path / "own.keras"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for item in old.infolist():
            new.writestr(item, old.read(item).replace(b'"Conv2D"', b'"MyConv"'))
    assert "cannot be loaded: " in fault(path) and "MyConv" in fault(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_runs_only_when_it_is_trusted(tmp_path, suffix):
    x = keras.Input(SIZE)
    doubled = L.Lambda(lambda t: t * 2, output_shape=SIZE)(x)
    model = keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(doubled))))
    path = tmp_path / f"lambda{suffix}"
    model.save(path)
    line = fault(path)
    assert line.endswith("set model.trust_code: true only if you trust where it came from")
    loaded = load_model(config(path, model__trust_code=True).model)
    pixels = np.ones((1, *SIZE), np.float32)
    np.testing.assert_array_equal(loaded(pixels), model(pixels))


def test_the_same_model_from_either_format(tmp_path, network):
    made, path = network("flatten")
    made.model.save(tmp_path / "m.h5")
    forwards = [ModelProbe(config(p)).forward(images()) for p in (path, tmp_path / "m.h5")]
    assert forwards[0].scores.tobytes() == forwards[1].scores.tobytes()


def test_applications(tmp_path):
    def section(name, weights="w.weights.h5"):
        keys = {"model__application": name, "model__weights": str(tmp_path / weights)}
        values = config("x", **keys, model__path=None)
        return values.model

    with pytest.raises(
        AuditError, match="unknown application 'MobilNet'; did you mean 'MobileNet'"
    ):
        load_model(section("MobilNet"))
    with pytest.raises(AuditError, match="w.weights.h5: no such file"):
        load_model(section("MobileNet"))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_models_of_other_precision(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input(SIZE)
        keras.Model(x, dense(3, "softmax")(L.Flatten()(conv("top")(x)))).save(tmp_path / "m.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    probe = ModelProbe(config(tmp_path / "m.keras"))
    forward = probe.forward(images())
    gradients = probe.mean_gradients(forward, 0, [0, 2], np.eye(3, dtype=np.float32)[:2])
    for array in (probe.activations(forward, 0), forward.scores, forward.probabilities, gradients):
        assert array.dtype == np.float32 and np.isfinite(array).all()
    assert np.abs(gradients).max() > 0


@pytest.mark.parametrize(
    ("output", "message"),
    [("binary", "the model has 4 outputs"), ("auto", None), ("softmax", None)],
)
def test_outputs_that_contradict_the_config(network, output, message):
    path = network("gap")[1]
    if message is None:
        assert ModelProbe(config(path, model__output=output)).facts.output == "softmax"
        return
    with pytest.raises(AuditError, match=message):
        ModelProbe(config(path, model__output=output))


def one_output(tmp_path, finish, bias=0.0):
    x = keras.Input(SIZE)
    unit = L.Dense(1, bias_initializer=keras.initializers.Constant(bias))
    model = keras.Model(x, finish(unit(L.GlobalAveragePooling2D()(conv()(x)))))
    model.save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


@pytest.mark.parametrize("bias", [-50.0, 0.5, 50.0])  # .5: a logit that might be a probability
def test_one_linear_output_has_to_be_explained(tmp_path, bias):
    path = one_output(tmp_path, lambda logit: logit, bias)
    with pytest.raises(AuditError, match="set model.output: binary if it is the logit"):
        ModelProbe(config(path))
    forward = ModelProbe(config(path, model__output="binary")).forward(images())
    logit = forward.scores[:, 1].astype(np.float64)
    np.testing.assert_allclose(forward.probabilities[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-5)
    np.testing.assert_allclose(forward.probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(forward.scores[:, 0], -forward.scores[:, 1])


def test_one_probability_made_by_hand(tmp_path):
    path = one_output(tmp_path, lambda logit: 1 / (1 + keras.ops.exp(-logit)))
    probe = ModelProbe(config(path, model__output="binary"))
    assert (probe.facts.score, probe.facts.output) == ("probability", "binary")
    forward = probe.forward(images())
    np.testing.assert_array_equal(forward.probabilities[:, 1], forward.scores[:, 1])
    np.testing.assert_allclose(forward.probabilities.sum(axis=1), 1, rtol=1e-6)


@needs_data
@pytest.mark.parametrize(
    ("name", "shape", "n_outputs", "grid"),
    [
        ("cifar10_resnet32_keras214.h5", (32, 32, 3), 10, (8, 8)),
        ("fer2013_mini_XCEPTION.99-0.65.hdf5", (64, 64, 1), 7, (4, 4)),
        ("mobilenet_v1_025_128_imagenet.h5", (128, 128, 3), 1000, (4, 4)),
    ],
)
def test_files_of_older_keras_load_and_explain(name, shape, n_outputs, grid):
    probe = ModelProbe(config(DATA / "weights" / name))
    facts = probe.facts
    assert (facts.input_height, facts.input_width, facts.channels) == shape
    assert (facts.n_outputs, facts.output, facts.score) == (n_outputs, "softmax", "logit")
    assert facts.layers[0].shape[:2] == grid
    pixels = images(size=shape)
    forward = probe.forward(pixels)
    np.testing.assert_allclose(forward.probabilities.sum(axis=1), 1, rtol=1e-4)
    seeds = np.eye(n_outputs, dtype=np.float32)[[1]]
    assert np.abs(probe.mean_gradients(forward, 0, [0], seeds)).max() > 0


# --- preprocessing ----------------------------------------------------------------------------


def prepared(how):
    from audit.models.preprocess import preprocess

    x = tf.constant([[[[0.0, 127.5, 255.0]]]])
    return np.asarray(preprocess(x, how)).ravel()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", [0, 127.5, 255]),
        ("scale_0_1", [0, 0.5, 1]),
        ("scale_minus1_1", [-1, 0, 1]),
        ("mobilenet_v2", [-1, 0, 1]),
        ("efficientnet", [0, 127.5, 255]),
        ("vgg16", [255 - 103.939, 127.5 - 116.779, 0 - 123.68]),
        ({"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 1.0]}, [-1, 0, 0.5]),
        (
            {"mean": [1, 2, 3], "std": [1, 1, 1], "scale": 1.0, "channel_order": "bgr"},
            [254, 125.5, -3],
        ),
        ({"mean": [0.5], "std": [0.5]}, [-1, 0, 1]),
    ],
)
def test_preprocessing(how, expected):
    how = config("m", model__preprocess=how).model.preprocess
    np.testing.assert_allclose(prepared(how), expected, atol=1e-5)


@pytest.mark.parametrize("how", KERAS_PREPROCESS)
def test_every_keras_preprocessing_runs(how):
    assert np.isfinite(prepared(how)).all()
