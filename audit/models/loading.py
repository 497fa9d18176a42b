"""A Keras model from a file, without running code that came with it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from audit.config.model import ModelSection
from audit.errors import AuditError, nearest
from audit.models.runtime import tensorflow

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".keras", ".h5", ".hdf5")


def load_model(section: ModelSection) -> Any:
    """The Keras model that the config names, for inference only (no compile state).

    Raises
    ------
    AuditError: the file is missing, is no model, cannot be loaded, or would run code.
    """
    if section.application is not None:
        return _load_application(section)
    path = Path(section.path or "")
    _check_file(path)
    tensorflow()
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=not section.trust_code)
    except Exception as error:  # Keras raises whatever the broken part raises
        raise _load_error(path, error, section.trust_code) from error


def _check_file(path: Path) -> None:
    """Tell a file that is no model before Keras tries, and guesses."""
    where = f"model.path: {path}"
    if path.is_dir():
        raise AuditError(
            "is a folder", where=where, expected="a .keras, .h5 or .hdf5 file",
            hint="SavedModel folders are not read by this version",
        )  # fmt: skip
    if not path.exists():
        raise AuditError("no such file", where=where)
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
    text = str(error).strip().splitlines()
    reason = text[0] if text else type(error).__name__
    whole = " ".join(text).lower()
    code = (
        "lambda" in whole or "safe_mode" in whole or "unsafe" in whole or "arbitrary code" in whole
    )
    hint = None
    if code and not trusted:
        hint = (
            "the file holds code; set model.trust_code: true only if you trust where it came from"
        )
    return AuditError(f"cannot be loaded: {reason}", where=f"model.path: {path}", hint=hint)


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
    try:
        model = getattr(keras.applications, section.application)(weights=None)
        model.load_weights(path)
    except Exception as error:
        raise _load_error(path, error, section.trust_code) from error
    return model
