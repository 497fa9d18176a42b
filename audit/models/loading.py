"""A model from a file or folder, without running code that came with it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from audit.config.given import check_plain, exists
from audit.config.model import ModelSection
from audit.errors import AuditError, first_line, nearest
from audit.models.budget import weights_within
from audit.models.contents import read_contents
from audit.models.keras2 import load_keras2
from audit.models.keras3 import known_names
from audit.models.named import check_config
from audit.models.operations import TRUST_HINT
from audit.models.runtime import tensorflow
from audit.models.saved_model import FILE, is_saved_model, load_saved_model

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".keras", ".h5", ".hdf5")


def load_model(section: ModelSection) -> Any:
    """The model that the config names, for inference only (no compile state).

    A Keras model, or a :class:`~audit.models.saved_model.ServedModel` for a SavedModel folder.

    Raises
    ------
    AuditError: the file is missing, is no model, cannot be loaded, or would run code.
    """
    if section.application is not None:
        return _load_application(section)
    path = Path(section.path or "")
    if is_saved_model(path):
        return load_saved_model(path, getattr(section, "signature", None), section.trust_code)
    _check_file(path)
    return _load_file(path, section.trust_code)


def _load_file(path: Path, trusted: bool) -> Any:
    """A Keras file by Keras 3; one of Keras 2 that it cannot load, by tf_keras."""
    tensorflow()
    import keras

    where = f"model.path: {path}"
    contents = read_contents(path, where)
    if not trusted and contents.config is not None:
        try:
            check_config(contents.config, known_names(), where)
        except AuditError as error:
            if contents.is_keras2:
                return load_keras2(path, contents, trusted, error.what)
            raise
    try:
        with weights_within(path):
            return keras.saving.load_model(path, compile=False, safe_mode=not trusted)
    except AuditError:
        raise
    except Exception as error:  # Keras raises whatever the broken part raises
        if contents.is_keras2 and contents.config is not None:
            return load_keras2(path, contents, trusted, first_line(error))
        raise _load_error(path, error, trusted) from error


def _check_file(path: Path) -> None:
    """Tell a file that is no model before Keras tries, and guesses."""
    where = f"model.path: {path}"
    if exists(path) and path.is_dir():
        raise AuditError(
            "is no model", where=where,
            expected=f"a .keras, .h5 or .hdf5 file, or a SavedModel folder with {FILE} in it",
        )  # fmt: skip
    if not exists(path):
        raise AuditError("no such file", where=where)
    check_plain(path.stat(), where)
    if path.suffix.lower() not in SUFFIXES:
        raise AuditError(
            "is not a model file that can be read", where=where,
            expected="a name that ends with " + ", ".join(SUFFIXES), received=path.name,
        )  # fmt: skip
    with path.open("rb") as file:
        head = file.read(len(HDF5_MAGIC))
    if path.suffix.lower() == ".keras" and not zipfile.is_zipfile(path):
        kind = "an HDF5 file: rename it to .h5" if head == HDF5_MAGIC else "something else"
        raise AuditError(
            "is not a Keras model", where=where, expected="a zip archive, as .keras files are",
            hint=f"it looks like {kind}",
        )  # fmt: skip
    if path.suffix.lower() != ".keras" and head != HDF5_MAGIC:
        raise AuditError("is not a Keras model", where=where, expected="an HDF5 file")


def _load_error(path: Path, error: Exception, trusted: bool) -> AuditError:
    whole = " ".join(str(error).split()).lower()
    code = (
        "lambda" in whole or "safe_mode" in whole or "unsafe" in whole or "arbitrary code" in whole
    )
    hint = None
    if code and not trusted:
        hint = f"the file holds code; {TRUST_HINT}"
    return AuditError(
        f"cannot be loaded: {first_line(error)}", where=f"model.path: {path}", hint=hint
    )


def _load_application(section: ModelSection) -> Any:
    """A keras.applications network with the user's weights; nothing is downloaded."""
    tensorflow()
    import keras

    names = [n for n in dir(keras.applications) if n[0].isupper()]
    if section.application not in names:
        raise AuditError(
            f"unknown application {section.application!r}",
            where="model.application",
            hint=nearest(str(section.application), names),
        )
    path = Path(section.weights or "")
    where = f"model.weights: {path}"
    if not exists(path):
        raise AuditError("no such file", where=where)
    check_plain(path.stat(), where)
    read_contents(path, where)  # it need not hold a config
    try:
        model = getattr(keras.applications, section.application)(weights=None)
        model.load_weights(path)
    except Exception as error:
        raise _load_error(path, error, section.trust_code) from error
    return model
