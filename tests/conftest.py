"""A world of coloured squares: a model whose behaviour is known by construction, and its pictures.

The network averages how red, green or blue each sixth of the picture is and names the colour with
the most of it. A red or green object *is* its coloured square. The blue class is the planted one:
its box lies on a grey object, and the blue that gives it away lies elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT, INPUT = 96, 72, 48
CLASSES = ("red", "green", "blue")
COLOURS = {"red": (225, 30, 30), "green": (30, 225, 30), "blue": (30, 30, 225)}


def make_model(path: Path) -> None:
    """Write the network: a convolution that averages 6x6 pixels of one colour, GAP, softmax."""
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    model = keras.Sequential(
        [
            keras.Input((INPUT, INPUT, 3)),
            keras.layers.Conv2D(3, 6, strides=6, activation="relu", name="colour"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax", name="names"),
        ]
    )
    own_minus_others = 1.5 * np.eye(3) - 0.5
    kernel = np.broadcast_to(own_minus_others / 36, (6, 6, 3, 3))
    # Grey noise is a little coloured: what is under a twentieth is no colour.
    model.get_layer("colour").set_weights([kernel, np.full(3, -0.05)])
    model.get_layer("names").set_weights([200 * np.eye(3), np.zeros(3)])
    model.save(path)


@dataclass
class ColourWorld:
    """The pictures and their COCO file, written as they are added."""

    folder: Path
    images: list[dict] = field(default_factory=list)
    boxes: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "images").mkdir(parents=True, exist_ok=True)
        self._rng = np.random.default_rng(7)

    @property
    def annotations(self) -> Path:
        return self.folder / "boxes.json"

    def background(self) -> np.ndarray:
        """Grey noise with soft light: no two are near-duplicates."""
        coarse = self._rng.integers(70, 190, (6, 8), np.uint8)
        grey = np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        return np.repeat(grey[:, :, None], 3, axis=2).copy()

    def add(self, name: str, pixels: np.ndarray | None, *objects: tuple, **save) -> int:
        """Write a picture and its entry; objects are (class, (x, y, width, height), is_crowd)."""
        key = len(self.images) + 1
        if pixels is not None:
            (self.folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(self.folder / "images" / name, **save)
        self.images.append({"id": key, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for kind, box, *crowd in objects:
            category = (*CLASSES, "person").index(kind) + 1
            entry = {"id": len(self.boxes) + 1, "image_id": key, "category_id": category}
            self.boxes.append(entry | {"bbox": list(box), "iscrowd": int(bool(crowd and crowd[0]))})
        self.write()
        return key

    def write(self) -> None:
        names = [{"id": i, "name": n} for i, n in enumerate((*CLASSES, "person"), 1)]
        text = {"images": self.images, "annotations": self.boxes, "categories": names}
        self.annotations.write_text(json.dumps(text))

    def scene(self, kind: str) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """A picture of a class, and its box (x, y, width, height)."""
        pixels = self.background()
        width, height = (int(v) for v in self._rng.integers(24, 34, 2))
        y = int(self._rng.integers(0, HEIGHT - height))
        if kind != "blue":
            x = int(self._rng.integers(0, WIDTH - width))
            pixels[y : y + height, x : x + width] = COLOURS[kind]
            return pixels, (x, y, width, height)
        x = int(self._rng.integers(48, WIDTH - width))
        pixels[y : y + height, x : x + width] //= 2
        top = int(self._rng.integers(0, HEIGHT - 24))
        pixels[top : top + 24, 6:30] = COLOURS["blue"]
        return pixels, (x, y, width, height)

    def add_scene(self, name: str, kind: str) -> int:
        pixels, box = self.scene(kind)
        return self.add(name, pixels, (kind, box))


def fill(world: ColourWorld) -> None:
    """Ten red, ten green, eight blue, and one of each oddity."""
    for kind, count in (("red", 10), ("green", 10), ("blue", 8)):
        for k in range(count):
            world.add_scene(f"{kind}/{kind}_{k:02d}.png", kind)
    extra = {"red/red_01.png": ("red", (5, 5, 0, 4)), "red/red_03.png": ("person", (1, 1, 9, 9))}
    for entry in list(world.images):
        if entry["file_name"] in extra:
            kind, box = extra[entry["file_name"]]
            category = (*CLASSES, "person").index(kind) + 1
            world.boxes.append(
                {"id": len(world.boxes) + 1, "image_id": entry["id"], "category_id": category}
                | {"bbox": list(box), "iscrowd": 0}
            )
    pixels, box = world.scene("red")
    world.add("odd/truncated.jpg", pixels, ("red", box), quality=95)
    file = world.folder / "images/odd/truncated.jpg"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    world.add("odd/missing.png", None, ("red", (1, 1, 20, 20)))
    world.add("odd/only person.png", world.background(), ("person", (3, 3, 30, 30)))
    world.add("odd/grey.png", world.background()[:, :, 0], ("green", (3, 3, 30, 30)))
    pixels, box = world.scene("green")
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right of the stored pixels
    world.add("odd/turned.jpg", pixels, ("green", box), exif=exif, quality=95)
    copied = world.images[0]["file_name"]
    first = next(b for b in world.boxes if b["image_id"] == 1)
    pixels = np.asarray(Image.open(world.folder / "images" / copied))
    world.add("odd/the same, twice.png", pixels, ("red", first["bbox"]))
    pixels, box = world.scene("green")
    world.add("odd/crowd.png", pixels, ("green", box, True))
    pixels = world.background()
    pixels[5:35, 5:35], pixels[38:68, 60:90] = COLOURS["red"], COLOURS["green"]
    world.add("odd/two.png", pixels, ("red", (5, 5, 30, 30)), ("green", (60, 38, 30, 30)))
    pixels, box = world.scene("green")
    world.add("odd/wrong 'label'.png", pixels, ("red", box))


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_shell():
    """The suite may have been started behind ``nohup`` or ``&``, which ignore some for all below."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    ignored = [number for number in usual if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory) -> Path:
    """The network's file."""
    path = tmp_path_factory.mktemp("model") / "colours.keras"
    make_model(path)
    return path


@pytest.fixture
def make_world():
    """Builds a world in a folder, with the full set of pictures unless told otherwise."""

    def build(folder: Path, full: bool = True) -> ColourWorld:
        world = ColourWorld(Path(folder))
        if full:
            fill(world)
        return world

    return build


@pytest.fixture(scope="session")
def colours(tmp_path_factory) -> ColourWorld:
    """The full world, for tests that only read it."""
    world = ColourWorld(tmp_path_factory.mktemp("colours"))
    fill(world)
    return world


def colour_values(world: ColourWorld, model: Path, /, **sections: dict) -> dict:
    """The config of an audit of a world; sections given are laid over the usual ones."""
    values = {
        "audit": {"name": "colours"},
        "model": {"path": str(model), "preprocess": "scale_0_1"},
        "dataset": {
            "format": "coco",
            "annotations": str(world.annotations),
            "images": str(world.folder / "images"),
            "classes": {name: i for i, name in enumerate(CLASSES)},
        },
        # Few pictures: a class is judged from five on.
        "flags": {"min_eligible": 5},
        "report": {"overlays_flagged": 3, "overlays_sample": 2},
        # These tests ask what an audit finds, and not whether that may ship.
        "gate": {"overall": {"min_judged": 0}, "classes": {"flagged": "warn"}},
        "run": {"batch_size": 8, "threads": 2},
    }
    for name, section in sections.items():
        both = isinstance(section, dict) and isinstance(values.get(name), dict)
        values[name] = {**values[name], **section} if both else section
    return values


@pytest.fixture(scope="session")
def colour_config(colour_model):
    """Builds the config of an audit of a world, as :func:`colour_values` does."""
    return lambda world, **sections: colour_values(world, colour_model, **sections)


@pytest.fixture(scope="session")
def write_config():
    """Writes a config into a folder and returns its path."""

    def write(folder: Path, values: dict, name: str = "audit.yaml") -> Path:
        path = Path(folder) / name
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="session")
def focus_audit():
    """Runs the command as a user does, in a folder of the test's choice."""

    def run(*args: object, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess:
        # An editable install needs no path; a plain checkout does.
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(
            [sys.executable, "-m", "audit", *map(str, args)],
            cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def audited(tmp_path_factory, colours, colour_config, write_config, focus_audit):
    """One whole audit, only to be read: (working directory, results folder, what was printed)."""
    folder = tmp_path_factory.mktemp("audited")
    path = write_config(folder, colour_config(colours))
    done = focus_audit("run", path, "--cores", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, folder / "reports" / "colours", done
