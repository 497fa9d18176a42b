"""Whole audits of models that are no plain file with one image in and one softmax out; slow."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow
VERDICTS = {"red": "pass", "green": "pass", "blue": "flagged"}


@pytest.fixture(scope="module")
def keras():
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    return keras


@pytest.fixture
def audit(tmp_path, colours, colour_config, write_config, focus_audit):
    """Audits the coloured squares with another model; the results folder."""

    def run(**sections):
        write_config(tmp_path, colour_config(colours, **sections))
        done = focus_audit("run", "audit.yaml", cwd=tmp_path)
        assert done.returncode in (0, 1), done.stderr
        return tmp_path / "reports" / "colours"

    return run


def predictions(root):
    return pd.read_csv(root / "predictions.csv")


def verdicts(root):
    table = pd.read_csv(root / "per_class.csv").set_index("class")
    return dict(table["verdict"].dropna())


def test_a_savedmodel_folder(audit, audited, colour_model, keras, tmp_path):
    """The same table as of the file it was exported from."""
    keras.saving.load_model(colour_model).export(tmp_path / "served", verbose=False)
    root = audit(model={"path": "served"})
    ours, source = predictions(root), predictions(audited[1])
    pd.testing.assert_frame_equal(ours.drop(columns="layer"), source.drop(columns="layer"))
    assert verdicts(root) == VERDICTS
    assert json.loads((root / "provenance.json").read_text())["hashes"]["model"]


def test_a_second_input_from_a_column(audit, colours, keras, tmp_path):
    """How sure the network is comes from a column: at 0 it cannot tell the classes apart."""
    image, sure = keras.Input((48, 48, 3), name="image"), keras.Input((1,), name="sure")
    colour = keras.layers.Conv2D(3, 6, strides=6, activation="relu", name="colour")
    names = keras.layers.Dense(3, name="names")
    logits = names(keras.layers.GlobalAveragePooling2D()(colour(image)))
    scaled = keras.layers.Multiply()([logits, sure])
    model = keras.Model([image, sure], keras.layers.Softmax()(scaled))
    kernel = np.broadcast_to((1.5 * np.eye(3) - 0.5) / 36, (6, 6, 3, 3))
    colour.set_weights([kernel, np.full(3, -0.05)])
    names.set_weights([200 * np.eye(3), np.zeros(3)])
    model.save(tmp_path / "two.keras")
    unsure = "red/red_04.png"
    with (tmp_path / "about.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "certainty"])
        rows.writerows(
            [i["file_name"], 0 if i["file_name"] == unsure else 1] for i in colours.images
        )
    root = audit(
        model={"path": "two.keras", "inputs": {"columns": {"sure": "certainty"}}},
        dataset={"metadata": "about.csv"},
    )
    told = predictions(root).set_index("file_name")["target_probability"]
    assert told[unsure] == pytest.approx(1 / 3)
    # The other pictures of one red object are told as without the column.
    assert told.drop(unsure)[[n for n in told.index if n.startswith("red/")][:3]].min() > 0.9
    assert verdicts(root) == VERDICTS


def test_a_transformer(audit, keras, tmp_path):
    """Tokens of patches and a class token that attends to all of them alike."""
    layers, x = keras.layers, keras.Input((48, 48, 3))
    patches = layers.Conv2D(3, 6, strides=6, activation="relu", name="patches")
    attention = layers.MultiHeadAttention(1, 3, name="attention")
    names = layers.Dense(3, activation="softmax", name="names")
    tokens = layers.ZeroPadding1D((1, 0), name="tokens")(layers.Reshape((64, 3))(patches(x)))
    model = keras.Model(x, names(attention(tokens, tokens)[:, 0]))
    kernel = np.broadcast_to((1.5 * np.eye(3) - 0.5) / 36, (6, 6, 3, 3))
    patches.set_weights([kernel, np.full(3, -0.05)])
    names.set_weights([200 * np.eye(3), np.zeros(3)])
    same, none = np.eye(3).reshape(3, 1, 3), np.zeros((3, 1, 3))
    no_bias = np.zeros((1, 3))
    attention.set_weights(
        [none, no_bias, none, no_bias, same, no_bias, same.reshape(1, 3, 3), np.zeros(3)]
    )
    model.save(tmp_path / "tokens.keras")
    root = audit(
        model={"path": "tokens.keras"},
        explain={"tokens": {"grid": "auto", "skip": 1}},
        # Pictures of one colour: whatever lies behind the patches, the maps have the same ranks.
        sanity={"images": 0},
    )
    (layer,) = json.loads((root / "summary.json").read_text())["model"]["layers"]
    assert layer["shape"][:2] == [8, 8]
    assert verdicts(root) == VERDICTS
