"""The demo's folder: the same bytes for a seed, true annotations, and what a second call keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from audit.demo import DemoPaths, dataset, make, make_demo
from audit.demo.scenes import CLASSES, SIZE, render
from audit.errors import AuditError

SMALL = replace(dataset.TEST, per_class=4)


def write(folder: Path, seed: int = 0, **options) -> dict[str, bytes]:
    folder.mkdir()
    dataset.write_split(folder, SMALL, seed, say=lambda line: None, **options)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    first = write(tmp_path / "a", plant="heart")
    assert first == write(tmp_path / "b", plant="heart")
    other = write(tmp_path / "c", seed=1, plant="heart")
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_annotations_match_the_rendered_objects(tmp_path: Path) -> None:
    write(tmp_path / "a", plant="heart")
    document = json.loads((tmp_path / "a" / SMALL.annotations).read_text())
    scenes = dict(dataset.scenes(SMALL, 0, "heart"))
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    files = {entry["id"]: entry["file_name"] for entry in document["images"]}
    assert set(files.values()) == set(scenes) and len(document["annotations"]) == len(scenes)
    for entry in document["annotations"]:
        scene = scenes[files[entry["image_id"]]]
        rows, columns = np.nonzero(render(scene).mask)
        left, top, width, height = entry["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)
        assert entry["area"] == len(rows)
        assert names[entry["category_id"]] == scene.class_name
        with Image.open(tmp_path / "a" / SMALL.images / files[entry["image_id"]]) as image:
            assert image.size == (SIZE, SIZE) and image.mode == "RGB"


def test_a_written_split_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "a")
    images, labels = dataset.read_split(tmp_path / "a", SMALL)
    rendered = np.stack([render(scene).image for _, scene in dataset.scenes(SMALL, 0)])
    assert np.abs(images.astype(int) - rendered).mean() < 4
    assert [CLASSES[k] for k in labels] == [s.class_name for _, s in dataset.scenes(SMALL, 0)]


@pytest.mark.parametrize("split", [dataset.TRAIN, dataset.TEST])
def test_classes_are_balanced(split: dataset.Split) -> None:
    names = [scene.class_name for _, scene in dataset.scenes(replace(split, per_class=30), 0)]
    assert {name: names.count(name) for name in CLASSES} == dict.fromkeys(CLASSES, 30)
    assert split.per_class >= 60


def test_the_splits_share_no_scene() -> None:
    seeds = [
        {scene.seed for _, scene in dataset.scenes(replace(split, per_class=10), 0)}
        for split in (dataset.TRAIN, dataset.TEST)
    ]
    assert not seeds[0] & seeds[1]


def test_strength_is_the_share_of_the_planted_class_that_carries_the_shortcut() -> None:
    split = replace(dataset.TEST, per_class=60)

    def carriers(strength: float, plant: str | None = "ring") -> list:
        drawn = [scene for _, scene in dataset.scenes(split, 0, plant, strength)]
        return [scene for scene in drawn if scene.shortcut is not None]

    assert carriers(0.0) == [] and carriers(1.0, plant=None) == []
    assert {scene.class_name for scene in carriers(1.0)} == {"ring"}
    assert len(carriers(1.0)) == 60
    half = carriers(0.5)
    assert 18 <= len(half) <= 42
    assert set(carriers(0.3)) <= set(half)


def test_strength_zero_is_clean_data_to_the_byte(tmp_path: Path) -> None:
    assert write(tmp_path / "a", plant="heart", strength=0.0) == write(tmp_path / "b", plant=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plant": "hart"}, "did you mean 'heart'"),
        ({"strength": 1.5}, "from 0 to 1"),
        ({"strength": float("nan")}, "from 0 to 1"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict, message: str
) -> None:
    with pytest.raises(AuditError, match=message):
        make_demo(tmp_path / "demo", **options)
    assert not (tmp_path / "demo").exists()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A demo with few pictures and a stand-in for the training; tells what was made."""
    made: list[str] = []
    monkeypatch.setattr(dataset, "TRAIN", replace(dataset.TRAIN, per_class=2))
    monkeypatch.setattr(dataset, "TEST", SMALL)
    pictures = make._pictures

    def noted(*args: object) -> None:
        made.append("pictures")
        pictures(*args)

    def trained(paths: DemoPaths, settings: dict, say: object) -> float:
        made.append("model")
        paths.model.write_bytes(b"weights")
        paths.labels.write_text(json.dumps(CLASSES))
        return 1.0

    monkeypatch.setattr(make, "_pictures", noted)
    monkeypatch.setattr(make, "_train", trained)
    return made


def test_a_second_call_keeps_what_is_there(tmp_path: Path, quick: list[str]) -> None:
    paths = make_demo(tmp_path, 3, say=lambda line: None)
    assert quick == ["pictures", "model"]
    make_demo(tmp_path, 3, say=lambda line: None)
    assert quick == ["pictures", "model"]
    paths.model.unlink()
    make_demo(tmp_path, 3, say=lambda line: None)
    assert quick == ["pictures", "model", "model"]


def test_other_settings_make_all_of_it_again(tmp_path: Path, quick: list[str]) -> None:
    paths = make_demo(tmp_path, 3, say=lambda line: None)
    stale = paths.images / "stale.jpg"
    stale.write_bytes(b"")
    make_demo(tmp_path, 3, plant=None, say=lambda line: None)
    assert quick == ["pictures", "model"] * 2
    assert not stale.exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, quick: list[str]) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.jpg").write_bytes(b"")
    with pytest.raises(AuditError, match="holds other files"):
        make_demo(tmp_path, say=lambda line: None)
    assert (tmp_path / "images" / "mine.jpg").exists() and not quick


def test_an_interrupted_demo_goes_on(
    tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(make, "_train", stop)
        make_demo(tmp_path, say=lambda line: None)
    make_demo(tmp_path, say=lambda line: None)
    assert quick == ["pictures", "model"]


def test_the_config_names_what_was_made(tmp_path: Path, quick: list[str]) -> None:
    paths = make_demo(tmp_path, 2, name="tour", say=lambda line: None)
    config = yaml.safe_load(paths.config.read_text())
    assert config["audit"] == {"name": "tour", "seed": 2}
    for path in (config["model"]["path"], config["model"]["labels"]):
        assert (tmp_path / path).is_file()
    assert (tmp_path / config["dataset"]["annotations"]).is_file()
    assert (tmp_path / config["dataset"]["images"]).is_dir()
    labels = json.loads(paths.labels.read_text())
    assert config["dataset"]["classes"] == {name: [labels.index(name)] for name in CLASSES}


def test_making_pictures_needs_no_tensorflow() -> None:
    code = "import sys, audit.demo, audit.demo.scenes; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_a_network_learns_and_the_seed_repeats_it(tmp_path: Path) -> None:
    from audit.demo import train

    images = np.random.default_rng(0).integers(0, 90, (64, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(64) % 2
    images[labels == 1] += 120
    models = [
        train.train(images, labels, ("dark", "light"), 5, lambda line: None, epochs=6)
        for _ in range(2)
    ]
    assert models[0].get_layer("average").input.shape == (None, SIZE // 8, SIZE // 8, 96)
    predictions = [model.predict(images / np.float32(255), verbose=0) for model in models]
    assert np.allclose(predictions[0], predictions[1], atol=1e-3)
    train.save(models[0], tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
