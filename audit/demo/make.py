"""Makes the whole demo: pictures, annotations, a trained model and the config that audits it."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from audit.demo import dataset
from audit.demo.scenes import CLASSES
from audit.errors import AuditError

PLANTED = "heart"
"""The class that the background gives away, unless another is asked for."""


@dataclass(frozen=True, slots=True)
class DemoPaths:
    """Where the parts of a demo lie."""

    folder: Path

    @property
    def images(self) -> Path:
        """Folder of the audited pictures: the test split."""
        return self.folder / dataset.TEST.images

    @property
    def annotations(self) -> Path:
        """COCO boxes of the audited pictures."""
        return self.folder / dataset.TEST.annotations

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def labels(self) -> Path:
        """JSON list of the names of the model's outputs."""
        return self.folder / "labels.json"

    @property
    def config(self) -> Path:
        """The audit's config."""
        return self.folder / "config.yaml"

    @property
    def stamp(self) -> Path:
        """What the folder was made with, how far it got and the model's test accuracy."""
        return self.folder / "demo.json"


def make_demo(
    folder: Path,
    seed: int = 0,
    plant: str | None = PLANTED,
    strength: float = 1.0,
    *,
    name: str = "demo",
    say: Callable[[str], None] = print,
) -> DemoPaths:
    """Make the demo in ``folder``; parts that were made with the same settings are kept.

    Parameters
    ----------
    folder: new, empty, or one that an earlier call made.
    seed: of the pictures and of the training.
    plant: class that the background gives away; None for clean data.
    strength: share, in [0, 1], of that class's pictures that carry the shortcut.
    name: the audit's name in the config.
    say: takes plain lines of progress.
    """
    dataset.check_plant(plant, strength)
    paths = DemoPaths(Path(folder))
    settings = {
        "seed": int(seed),
        "plant": plant,
        "strength": float(strength),
        "source": _source_digest(),
    }
    stamp = _open(paths, settings)
    if not stamp["pictures"]:
        _timed(say, "pictures", lambda: _pictures(paths, settings, say))
        _note(paths, stamp, pictures=True)
    if not stamp["model"]:
        accuracy = _timed(say, "training", lambda: _train(paths, settings, say))
        _note(paths, stamp, model=True, accuracy=accuracy)
    say(f"accuracy on the audited pictures: {stamp['accuracy']:.3f}")
    text = yaml.safe_dump(audit_config(paths, name, seed), sort_keys=False)
    dataset.write_atomically(paths.config, text.encode())
    return paths


def audit_config(paths: DemoPaths, name: str = "demo", seed: int = 0) -> dict:
    """The config that audits the demo; its paths are relative to the demo's folder."""
    return {
        "audit": {"name": name, "seed": int(seed)},
        "model": {
            "path": paths.model.name,
            "labels": paths.labels.name,
            "preprocess": "scale_0_1",
            "resize": {"mode": "stretch"},
        },
        "dataset": {
            "format": "coco",
            "annotations": paths.annotations.name,
            "images": paths.images.name,
            "classes": {label: [index] for index, label in enumerate(CLASSES)},
        },
        "targets": {"classes": "annotated"},
        "explain": {"method": "gradcam"},
    }


def _pictures(paths: DemoPaths, settings: dict, say: Callable[[str], None]) -> None:
    for split in (dataset.TRAIN, dataset.TEST):
        dataset.write_split(
            paths.folder, split, settings["seed"], settings["plant"], settings["strength"], say
        )


def _train(paths: DemoPaths, settings: dict, say: Callable[[str], None]) -> float:
    from audit.demo import train  # TensorFlow takes seconds to import: only when it is needed

    images, labels = dataset.read_split(paths.folder, dataset.TRAIN)
    model = train.train(images, labels, CLASSES, settings["seed"], say)
    train.save(model, paths.model)
    dataset.write_atomically(paths.labels, (json.dumps(list(CLASSES)) + "\n").encode())
    return train.accuracy(model, *dataset.read_split(paths.folder, dataset.TEST))


def _open(paths: DemoPaths, settings: dict) -> dict:
    """The folder's stamp; a demo with other settings is cleared away, anything else refused."""
    fresh = {"settings": settings, "pictures": False, "model": False, "accuracy": None}
    stamp = _read_stamp(paths.stamp)
    if stamp is not None and stamp["settings"] == settings:
        return _drop_missing(stamp, paths)
    if stamp is None and paths.folder.exists() and any(paths.folder.iterdir()):
        raise AuditError(
            "the folder holds other files than a demo",
            where=str(paths.folder),
            hint="name a new or empty folder",
        )
    _clear(paths)
    paths.folder.mkdir(parents=True, exist_ok=True)
    _note(paths, fresh)
    return fresh


def _read_stamp(path: Path) -> dict | None:
    """The stamp, or None where there is none that this module wrote."""
    try:
        stamp = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    keys = {"settings", "pictures", "model", "accuracy"}
    return stamp if isinstance(stamp, dict) and keys <= stamp.keys() else None


def _drop_missing(stamp: dict, paths: DemoPaths) -> dict:
    """A part whose file was deleted is made again."""
    tables = [paths.folder / split.annotations for split in (dataset.TRAIN, dataset.TEST)]
    stamp["pictures"] = stamp["pictures"] and all(table.exists() for table in tables)
    stamp["model"] = stamp["model"] and paths.model.exists() and paths.labels.exists()
    return stamp


def _clear(paths: DemoPaths) -> None:
    """Delete what an earlier demo made, and nothing else."""
    for split in (dataset.TRAIN, dataset.TEST):
        shutil.rmtree(paths.folder / split.images, ignore_errors=True)
        (paths.folder / split.annotations).unlink(missing_ok=True)
    for path in (paths.model, paths.labels, paths.config, paths.stamp):
        path.unlink(missing_ok=True)


def _note(paths: DemoPaths, stamp: dict, **changes: object) -> None:
    stamp.update(changes)
    dataset.write_atomically(paths.stamp, (json.dumps(stamp, indent=1) + "\n").encode())


def _source_digest() -> str:
    """Changes when the demo's own source does, so that an old demo is not taken for a new one."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _timed(say: Callable[[str], None], what: str, work: Callable[[], object]) -> object:
    say(f"{what} ...")
    start = time.monotonic()
    result = work()
    say(f"{what}: {time.monotonic() - start:.0f} s")
    return result
