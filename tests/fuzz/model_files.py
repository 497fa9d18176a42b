"""Model files as a whole: what TensorFlow and Keras are let near."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from audit.config.model import Config
from audit.models.loading import load_model
from audit.models.runtime import tensorflow

from .target import target

KERAS = (
    b"Lambda", b"Dense", b"__lambda__", b"module", b"class_name", b"keras.layers", b"os",
    b"registered_name",
    b"StringLookup", b"TFSMLayer", b"function", b"builtins", b"keras.utils", b"get_file",
    b"vocabulary",
)  # fmt: skip


@cache
def _network() -> Any:
    tensorflow()
    import keras

    inputs = keras.Input((8, 8, 3))
    top = keras.layers.Conv2D(2, 3, activation="relu", name="top")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(top))
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(pooled))


def _saved(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        _network().save(path)
        return path.read_bytes()


def _load(path: Path) -> None:
    values = {
        "audit": {"name": "a"},
        "model": {"path": str(path), "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a", "images": "i"},
    }
    load_model(Config.model_validate(values).model)


@target(
    "keras", lambda: [_saved("m.keras")], "audit.models.contents", "audit.models.named",
    kind="zip", tokens=KERAS, seconds=20, megabytes=2048, tensorflow=True,
)  # fmt: skip
def keras_archive(data: bytes, folder: Path) -> None:
    (folder / "m.keras").write_bytes(data)
    _load(folder / "m.keras")


@target(
    "h5", lambda: [_saved("m.h5")], "audit.models.loading", "audit.models.contents",
    "audit.models.named",
    tokens=KERAS, seconds=20, megabytes=2048, tensorflow=True,
)  # fmt: skip
def hdf5(data: bytes, folder: Path) -> None:
    (folder / "m.h5").write_bytes(data)
    _load(folder / "m.h5")


@cache
def _exported() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _network().export(Path(folder) / "m", verbose=False)
        root = Path(folder) / "m"
        return {
            p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()
        }


@target(
    "saved_model", lambda: [_exported()["saved_model.pb"]], "audit.models.saved_model",
    tokens=(b"WriteFile", b"ReadFile", b"PyFunc", b"Const", b"NoOp", b"RestoreV2"), seconds=20,
    megabytes=2048, tensorflow=True,
)  # fmt: skip
def saved_model(data: bytes, folder: Path) -> None:
    """The graph is another one; the weights are those of the network."""
    for name, content in {**_exported(), "saved_model.pb": data}.items():
        (folder / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "m" / name).write_bytes(content)
    _load(folder / "m")


def archive_of(members: dict[str, Any]) -> bytes:
    """A zip of texts, bytes and JSON values."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(
                name, content if isinstance(content, bytes | str) else json.dumps(content)
            )
    return out.getvalue()
