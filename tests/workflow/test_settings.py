"""Whole audits with settings that change what a record is; slow, a run each."""

import json

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def audit(tmp_path, make_world, colour_config, write_config, focus_audit):
    """Runs six pictures and one without any object; returns the results folder."""

    def run(change=None, **sections):
        world = make_world(tmp_path, full=False)
        for k in range(6):
            world.add_scene(f"{k}.png", ("red", "green", "blue")[k % 3])
        world.add("nothing.png", world.scene("red")[0])
        if change:
            change(world)
        write_config(tmp_path, colour_config(world, **sections))
        done = focus_audit("run", "audit.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return tmp_path / "reports" / "colours"

    return run


def predictions(root):
    return pd.read_csv(root / "predictions.csv", dtype={"target_class": str}, keep_default_na=False)


def test_every_role_and_a_map_for_each_of_the_top_predictions(audit):
    root = audit(
        targets={"classes": ["annotated", "predicted", "top_k", "blue"], "top_k": 2},
        model={"resize": {"mode": "letterbox"}},
        heatmap={"threshold": "otsu"},
        metrics=["mask_iou"],
    )
    table = predictions(root)
    assert "box_iou" not in table or (table["box_iou"] == "").all()
    blue = table[table["target_class"] == "blue"]
    assert len(blue) == 7, "blue is listed, so it is explained in every image"
    assert blue["role"].str.contains("listed").all()
    # Where it is not annotated, all objects are the reference, and class statistics leave it out.
    assert (blue["reference"] == "class").sum() == 2
    per_class = pd.read_csv(root / "per_class.csv").set_index("class")
    assert per_class.loc["blue", "n_images"] == 2 and per_class.loc["__all__", "n_images"] == 6
    none = table[table["file_name"] == "nothing.png"]
    assert set(none["reason"]) == {"no_box"} and set(none["ineligible_reason"]) == {"not_annotated"}
    assert set(none["correct"]) == {""}


def test_images_without_objects_are_told_when_only_annotated_classes_are_explained(audit):
    root = audit()
    (row,) = pd.read_csv(root / "excluded.csv").to_dict("records")
    assert (row["file_name"], row["reason"], row["n_boxes"]) == ("nothing.png", "no_target", 0)
    assert json.loads((root / "summary.json").read_text())["counts"]["images_excluded"] == 1


@pytest.mark.parametrize("names", [("NA", "1", "__all__x"), ("日本", 'a,b "c"', "../../up")])
def test_classes_may_be_called_anything(audit, names):
    def rename(world):
        text = json.loads(world.annotations.read_text())
        for category, name in zip(text["categories"], names, strict=False):
            category["name"] = name
        world.annotations.write_text(json.dumps(text))

    root = audit(rename, dataset={"classes": {n: k for k, n in enumerate(names)}})
    assert set(predictions(root)["target_class"]) == set(names)
    table = pd.read_csv(root / "overlays" / "index.csv", keep_default_na=False, dtype=str)
    assert len(table) == 4 and set(table["note"]) == {""}  # both blue ones, and a sample of two
    assert {p.parent for p in root.rglob("*.jpg")} == {root / "overlays"}


def test_a_model_of_many_labels(audit, tmp_path, colour_model):
    import keras

    before = keras.saving.load_model(colour_model)
    scores = keras.layers.Dense(3, activation="sigmoid")
    after = keras.Sequential([keras.Input((48, 48, 3)), *before.layers[:-1], scores])
    scores.set_weights([200 * np.eye(3), np.full(3, -2.0)])
    after.save(tmp_path / "many.keras")
    root = audit(
        model={"path": str(tmp_path / "many.keras")},
        targets={"classes": ["annotated", "predicted"]},
    )
    table = pd.read_csv(root / "predictions.csv")
    assert json.loads((root / "summary.json").read_text())["model"]["output"] == "sigmoid"
    assert (table.loc[table["reference"] == "class", "correct"] == True).all()  # noqa: E712
    assert len(table) == 7 and table["target_probability"].min() > 0.5
