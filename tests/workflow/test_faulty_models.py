"""Models and data at their limits: answers that are no numbers, ten thousand classes, crowded images."""

import json
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.stages.layout import Layout
from audit.stages.settings import load_settings, write_settings
from tests.benchmarks import size
from tests.conftest import CLASSES, COLOURS, HEIGHT, INPUT, WIDTH

from .running import ERROR, differing

BRIGHT = 5
# Classes of two images each, and the processor seconds that all after their scores may take; more than
# that is what it takes where tables are cut class by class.
N_CLASSES, SECONDS = 2000, 90
MIDST = 0.5  # some pictures of the world are brighter
# What tells of the images that went in, and not of those that were audited.
OF_THE_INPUT = {"excluded.csv", "summary.json"}


def make_overflowing(path, limit, colour_model):
    """The colours' network, whose answer is NaN where the picture's mean is above ``limit``.

    What is above it overflows to infinity in two layers, and infinity less infinity is NaN.
    """
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    sound = keras.models.load_model(colour_model)
    dense = {"kernel_initializer": "ones", "use_bias": False}
    given = keras.Input((INPUT, INPUT, 3))
    colour = keras.layers.Conv2D(3, 6, strides=6, activation="relu", name="colour")
    names = keras.layers.Dense(3, name="names")
    logits = names(keras.layers.GlobalAveragePooling2D()(colour(given)))
    above = keras.layers.Dense(1, activation="relu", name="above")
    much = above(keras.layers.GlobalAveragePooling2D(name="mean")(given))
    huge = [keras.layers.Dense(n, name=f"huge_{n}", **dense) for n in (1, 3)]
    endless = huge[1](huge[0](much))
    nothing = keras.layers.Subtract()([endless, endless])
    answer = keras.layers.Softmax()(keras.layers.Add()([logits, nothing]))
    model = keras.Model(given, answer)
    for layer in (colour, names):
        layer.set_weights(sound.get_layer(layer.name).get_weights())
    above.set_weights([np.full((3, 1), 1 / 3), np.array([-limit])])
    for layer in huge:
        layer.set_weights([np.full_like(layer.get_weights()[0], 1e38)])
    model.save(path)


def seconds_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add_bright(world):
    """Pictures of objects on a white ground, after all others."""
    for k in range(BRIGHT):
        pixels = np.full((HEIGHT, WIDTH, 3), 240 + k, np.uint8)
        pixels[5:20, 5 + k : 20 + k] = COLOURS["red"]
        world.add(f"z/bright_{k}.png", pixels, ("red", (5 + k, 5, 15, 15)))


@pytest.fixture
def overflowing(tmp_path, make_world, colour_config, colour_model, write_config, focus_audit):
    """Runs an audit of the colours by a model that overflows above a mean; its folder and the run."""

    def run(name, limit, change=lambda world: None):
        folder = tmp_path / name
        world = make_world(folder / "world")
        change(world)
        path = tmp_path / f"{limit}.keras"
        if not path.exists():
            make_overflowing(path, limit, colour_model)
        config = colour_config(
            world,
            model={"path": str(path)},
            sanity={"images": 8},
            confirm={"classes": "all", "min_records": 4},
        )
        write_config(folder, config)
        return folder / "reports" / "colours", focus_audit("run", "audit.yaml", cwd=folder)

    return run


@pytest.mark.slow
def test_images_of_which_the_model_says_nan_are_left_out_and_change_nothing_else(overflowing):
    sound, done = overflowing("sound", 0.8)
    assert done.returncode in (0, 1), done.stderr  # what was found may not pass the gate
    root, done = overflowing("faulty", 0.8, add_bright)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    assert set(differing(root, sound)) <= OF_THE_INPUT
    assert differing(root, sound)  # what was left out is told

    excluded = pd.read_csv(root / "excluded.csv")
    nan = excluded[excluded["reason"] == "non_finite_output"]
    assert sorted(nan["file_name"]) == [f"z/bright_{k}.png" for k in range(BRIGHT)]
    assert set(nan["kind"]) == {"image"} and set(nan["n_boxes"]) == {1}
    assert set(nan["detail"]) == {"the model gave NaN or infinity"}
    old, new = (json.loads((r / "summary.json").read_text())["counts"] for r in (sound, root))
    assert new["images_in"] == old["images_in"] + BRIGHT
    assert new["images_audited"] == old["images_audited"]
    assert new["images_in"] == new["images_audited"] + new["images_excluded"]
    assert new["images_excluded"] == (excluded["kind"] == "image").sum()
    page = (root / "report.html").read_text()
    assert "z/bright_0.png" in page and "non_finite_output" in page


@pytest.mark.slow
def test_a_model_that_says_nan_of_every_image_gives_one_line(overflowing):
    root, done = overflowing("nothing", -1.0)
    assert done.returncode == 2
    (line,) = [s for s in done.stderr.splitlines() if s.startswith(ERROR)]
    assert "model.path: no image could be explained" in line
    assert "non_finite_output: the model gave NaN or infinity" in line
    assert "Traceback" not in done.stderr and not (root / "predictions.csv").exists()


@pytest.mark.slow
def test_a_model_that_says_nan_of_changed_images_too(overflowing):
    """The limit lies in the midst of the pictures: to remove something moves some of them over it."""
    root, done = overflowing("midst", MIDST)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    counts = json.loads((root / "summary.json").read_text())["counts"]
    excluded = pd.read_csv(root / "excluded.csv")
    left_out = set(excluded.loc[excluded["reason"] == "non_finite_output", "file_name"])
    assert 0 < len(left_out) < counts["images_in"]
    assert counts["images_in"] == counts["images_audited"] + counts["images_excluded"]
    records = pd.read_parquet(root / "predictions.parquet")
    assert left_out.isdisjoint(records["file_name"])
    # What was changed, and of which the model says nothing, is left out of its class's mean.
    changes = pd.read_parquet(root / "stages/confirm/records.parquet")
    silent = changes["reason"] == "non_finite_output"
    assert silent.any() and not silent.all() and changes.loc[silent, "p"].isna().all()
    known = changes.loc[changes["reason"].isna(), "p"]
    assert len(known) and known.between(0, 1).all()
    confirmed = pd.read_csv(root / "confirmation.csv")
    shares = confirmed[["object_removed", "background_removed", "control_removed"]]
    assert len(confirmed) and ((shares >= 0) | shares.isna()).all(axis=None)


# -- very many


def name_of_output(output):
    known = dict(zip((17, 5000, 9999), CLASSES, strict=True))
    return known.get(output, f"thing {output:04d}")


def make_many_outputs(path, colour_model):
    """The colours' network with ten thousand outputs, of which three are ever said."""
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    sound = keras.models.load_model(colour_model)
    model = keras.Sequential(
        [
            keras.Input((INPUT, INPUT, 3)),
            keras.layers.Conv2D(3, 6, strides=6, activation="relu", name="colour"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10_000, activation="softmax", name="names"),
        ]
    )
    model.get_layer("colour").set_weights(sound.get_layer("colour").get_weights())
    kernel, bias = np.zeros((3, 10_000)), np.full(10_000, -100.0)
    own, outputs = sound.get_layer("names").get_weights(), [17, 5000, 9999]
    kernel[:, outputs], bias[outputs] = own
    model.get_layer("names").set_weights([kernel, bias])
    model.save(path)


@pytest.mark.slow
def test_ten_thousand_outputs_say_what_three_of_them_say(
    tmp_path, make_world, colour_config, colour_model, write_config, focus_audit
):
    world = make_world(tmp_path / "world", full=False)
    for k in range(12):
        world.add_scene(f"{k:02d}.png", CLASSES[k % 3])
    make_many_outputs(tmp_path / "many.keras", colour_model)
    (tmp_path / "labels.json").write_text(json.dumps([name_of_output(k) for k in range(10_000)]))
    values = colour_config(world)
    for name in ("few", "many"):
        if name == "many":
            values["model"] |= {"path": "many.keras", "labels": "labels.json"}
            del values["dataset"]["classes"]
        write_config(tmp_path, {**values, "audit": {"name": name}})
        done = focus_audit("run", "audit.yaml", cwd=tmp_path, timeout=120)
        assert done.returncode == 0, done.stderr
    few, many = (tmp_path / "reports" / name for name in ("few", "many"))
    old, new = (pd.read_csv(root / "predictions.csv") for root in (few, many))
    pd.testing.assert_frame_equal(new, old, check_exact=False, rtol=1e-5)
    assert len(new) == 12 and new["correct"].all()
    assert sorted(pd.read_csv(many / "per_class.csv")["class"]) == ["__all__", *sorted(CLASSES)]
    assert (many / "report.html").stat().st_size < 2e6


@pytest.mark.slow
def test_thousands_of_classes_take_seconds_and_the_page_says_what_it_leaves_out(
    tmp_path, monkeypatch
):
    """Every stage but explain, whose answers are drawn at random."""
    monkeypatch.setattr(size, "CLASSES", [f"class {k:05d}" for k in range(N_CLASSES)])
    monkeypatch.setattr(size, "PICTURES", 20)
    config = load_settings([size.write_inputs(tmp_path, 2 * N_CLASSES)])
    layout = Layout(Path(config.audit.output))
    write_settings(config, layout.config)
    for name in ("inspect", "index"):
        size.stage(layout, name)
    for number, shard in enumerate(json.loads(layout.manifest.read_text())["shards"]):
        size.explain(layout, shard["name"], number)
        size.stage(layout, "score", "--shard", shard["name"])
    began, megabytes = seconds_of_children(), []
    for name in size.AFTER_SCORE:
        megabytes.append(size.stage(layout, name)[1])
    assert seconds_of_children() - began < SECONDS and max(megabytes) < 1000

    root = layout.root
    rows = pd.read_csv(root / "per_class.csv")
    assert len(rows) == N_CLASSES + 1 and (rows["n_images"].iloc[:-1] == 2).all()
    page = (root / "report.html").read_text()
    assert len(page) < 5e6 and "1,000 more classes" in page and "are in per_class.csv" in page
    assert "The most urgent classes alone have a part of their own" in page
    data = json.loads((root / "report.json").read_text())
    assert len(data["mean_maps"]) == 1000 and len(data["records_by_class"]) == N_CLASSES


@pytest.mark.slow
def test_ten_thousand_boxes_in_an_image_and_a_class_that_no_image_has(
    tmp_path, make_world, colour_config, write_config, focus_audit
):
    world = make_world(tmp_path / "world", full=False)
    for k in range(8):
        world.add_scene(f"{k}.png", CLASSES[k % 2])
    pixels = world.background()
    pixels[10:60, 10:60] = COLOURS["red"]
    places = [(10 + 0.5 * x, 10 + 0.5 * y, 0.5, 0.5) for x in range(100) for y in range(100)]
    world.images.append({"id": 9, "file_name": "crowd.png", "width": WIDTH, "height": HEIGHT})
    Image.fromarray(pixels).save(world.folder / "images" / "crowd.png")
    world.boxes += [
        {"id": 9 + k, "image_id": 9, "category_id": 1, "bbox": list(box), "iscrowd": 0}
        for k, box in enumerate(places)
    ]
    world.write()
    write_config(tmp_path, colour_config(world))
    done = focus_audit("run", "audit.yaml", cwd=tmp_path, timeout=120)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    root = tmp_path / "reports" / "colours"
    crowd = pd.read_csv(root / "predictions.csv").set_index("file_name").loc["crowd.png"]
    assert crowd["n_boxes"] == 10_000 and crowd["pointing_hit"]
    # All boxes together are the red square.
    assert crowd["area_fraction"] == pytest.approx(50 * 50 / (WIDTH * HEIGHT))
    summary = json.loads((root / "summary.json").read_text())
    assert summary["counts"]["boxes_in"] == summary["counts"]["boxes_audited"] == 10_008
    blue = pd.read_csv(root / "per_class.csv").set_index("class").loc["blue"]
    assert blue["n_images"] == 0 and blue["verdict"] == "insufficient"
    assert np.isnan(blue["pointing_accuracy"]) and np.isnan(blue["accuracy"])
