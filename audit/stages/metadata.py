"""Columns about each image beside its boxes: what a model's other inputs are fed with, and labels
by which images are told apart."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from audit.config.given import open_given
from audit.config.model import Config, InputsSection
from audit.errors import AuditError, nearest

KEY = "file_name"


class OtherInputs:
    """What a model's inputs beside the image are fed, for a batch of images.

    ``blank``: zeros (B, ...) of each input's own type, by name.

    Raises
    ------
    AuditError: a constant that does not fit its input, a column that cannot be read.
    """

    def __init__(self, config: Config, blank: Mapping[str, np.ndarray]) -> None:
        self._given = config.model.inputs or InputsSection()
        self._blank = blank
        self._metadata: dict[str, dict[str, float]] = {}
        for name, value in self._given.constants.items():
            _fill(blank[name].copy(), value, f"model.inputs.constants.{name}")
        if self._given.columns:
            path = config.dataset.metadata
            if path is None:
                raise AuditError(
                    "is missing", where="dataset.metadata",
                    expected="the CSV file that model.inputs.columns names columns of",
                )  # fmt: skip
            columns = list(dict.fromkeys(self._given.columns.values()))
            self._metadata = read_metadata(Path(path), columns)

    def batch(self, file_names: Sequence[str]) -> dict[str, np.ndarray]:
        """Input name -> array (B, ...); places after the last image stay 0 or the constant."""
        return {name: self._of_input(name, file_names) for name in self._blank}

    def _of_input(self, name: str, file_names: Sequence[str]) -> np.ndarray:
        values = self._blank[name].copy()
        if name in self._given.constants:
            where = f"model.inputs.constants.{name}"
            return _fill(values, self._given.constants[name], where)
        column, where = self._given.columns[name], f"model.inputs.columns.{name}"
        for place, file_name in enumerate(file_names):
            _fill(values[place : place + 1], of_image(self._metadata, file_name)[column], where)
        return values


def _fill(values: np.ndarray, value: Any, where: str) -> np.ndarray:
    """``values`` (k, ...) set to a number, or to a list as long as one image's own."""
    try:
        values[...] = np.asarray(value, values.dtype).reshape(values.shape[1:] or ())
    except ValueError:
        size = int(np.prod(values.shape[1:]))
        if np.ndim(value) == 0:
            values[...] = value
        else:
            raise AuditError(
                "does not fit the model's input", where=where,
                expected=f"a number, or a list of {size}", received=value,
            ) from None  # fmt: skip
    return values


def read_metadata(path: Path, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """File name -> column -> number, from a CSV file with a header that has ``file_name``.

    Raises
    ------
    AuditError: the file or a column is missing, a name comes twice, a value is no finite number.
    """
    return _read(path, columns, _number)


def read_labels(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """File name -> column -> text without blanks around it, empty for an empty field.

    Raises
    ------
    AuditError: the file or a column is missing, a name comes twice.
    """
    return _read(path, columns, lambda text, _: (text or "").strip())


def label_columns(config: Config) -> list[str]:
    """The columns that the config tells images apart by."""
    group = [config.flags.group] if config.flags.group is not None else []
    return list(dict.fromkeys([*config.strata.columns, *group]))


def check_labels(config: Config, where: str) -> None:
    """Refuse columns of labels that the metadata file cannot give, before anything is run.

    Raises
    ------
    AuditError: there is no such file, or as :func:`read_labels`.
    """
    columns = label_columns(config)
    if columns and config.dataset.metadata is None:
        key = "flags.group" if config.flags.group in columns else "strata.columns"
        raise AuditError(
            "is missing", where=f"{where}: dataset.metadata",
            expected=f"the CSV file that {key} names columns of",
        )  # fmt: skip
    if columns:
        read_labels(Path(config.dataset.metadata), columns)


def labels_of(config: Config, file_names: Sequence[str]) -> dict[str, list[str]]:
    """Column -> label of each image, empty where the file has none for it.

    Raises
    ------
    AuditError: as :func:`check_labels`; the file has a row for none of the images.
    """
    columns = label_columns(config)
    if not columns:
        return {}
    rows = read_labels(Path(config.dataset.metadata), columns)
    if file_names and not any(name in rows for name in file_names):
        raise AuditError(
            "has no row for any image", where="dataset.metadata", received=file_names[0],
            hint=nearest(file_names[0], rows) if rows else None,
        )  # fmt: skip
    return {c: [rows[n][c] if n in rows else "" for n in file_names] for c in columns}


def _read(
    path: Path, columns: Sequence[str], parse: Callable[[str | None, str], Any]
) -> dict[str, dict[str, Any]]:
    """File name -> column -> ``parse(text, where)``."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        with (
            open_given(path, f"dataset.metadata: {path}") as data,
            TextIOWrapper(data, encoding="utf-8-sig", newline="") as file,
        ):
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or (), columns)
            for row in reader:
                where = f"{path}:{reader.line_num}"
                name = row[KEY] or ""
                if name in rows:
                    raise AuditError(f"image {name!r} comes twice", where=where)
                rows[name] = {c: parse(row[c], f"{where}: {c}") for c in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AuditError(f"cannot be read: {error}", where=f"dataset.metadata: {path}") from None
    return rows


def of_image(metadata: Mapping[str, dict[str, float]], file_name: str) -> dict[str, float]:
    """An image's columns; a model that asks for them cannot do without."""
    if file_name not in metadata:
        raise AuditError(
            "has no row for an image", where="dataset.metadata", received=file_name,
            expected="a row for each image of the data set",
            hint=nearest(file_name, metadata) if metadata else None,
        )  # fmt: skip
    return metadata[file_name]


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    for name in (KEY, *columns):
        if name not in header:
            raise AuditError(
                f"has no column {name!r}", where=f"dataset.metadata: {path}:1",
                hint=nearest(name, header) if header else None,
            )  # fmt: skip


def _number(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AuditError("is no number", where=where, expected="a finite number", received=text)
    return value
