"""Strict readers of the small things: text, numbers, flags, names, CSV rows.

Each raises :class:`AuditError` with the place it is given; none guesses.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from audit.config.given import open_given, read_bounded
from audit.errors import AuditError, is_unicode

# No image is that large: a coordinate beyond it is a fault of the file, and sums stay finite.
MAX_COORDINATE = 1e9
# A fraction of an image's side; a little over 1 is rounding, which is clipped later.
MAX_FRACTION = 1.5
# Bytes of one line of a CSV file, which is held in memory.
MAX_LINE = 16 * 2**20

# No two parts of this can take the same digits: a million of them are read once.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FLAGS = {"1": True, "0": False, "true": True, "false": False}


def read_text(path: Path, where: str, max_bytes: int) -> str:
    """The whole file as text; a byte order mark is dropped."""
    return decode(read_bounded(path, where, max_bytes), where)


def decode(data: bytes, where: str, line: int = 1) -> str:
    """UTF-8 bytes that start at ``line`` of the file as text."""
    try:
        return data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise AuditError(
            "text is not UTF-8",
            where=f"{where}:{line}",
            received=data[error.start : error.start + 4],
            hint="save the file as UTF-8",
        ) from error


def number(text: str, what: str, where: str) -> float:
    """A decimal number as people write it: no NaN, no infinity, no underscores."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        value = float(text)
        if abs(value) <= MAX_COORDINATE:
            return value
    raise AuditError(f"{what} is not a number", where=where, expected="a finite one", received=text)


def fraction(text: str, what: str, where: str) -> float:
    """A number that is relative to the image's side, which a pixel count is not."""
    value = number(text, what, where)
    if abs(value) > MAX_FRACTION:
        raise AuditError(
            f"{what} is not relative to the image",
            where=where,
            expected="a fraction from 0 to 1",
            received=value,
            hint="these look like pixels",
        )
    return value


def integer(text: str, what: str, where: str) -> int:
    """A whole number."""
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    raise AuditError(f"{what} is not a whole number", where=where, received=text)


def flag(text: str, what: str, where: str) -> bool:
    """``0``, ``1``, ``true`` or ``false``; empty and ``Unspecified`` say nothing, hence no."""
    text = text.strip().lower()
    if text in ("", "unspecified"):
        return False
    if text not in _FLAGS:
        raise AuditError(f"{what} is neither 0 nor 1", where=where, received=text)
    return _FLAGS[text]


def class_name(value: object, where: str) -> str:
    """A class name: any Unicode text but an empty one, without the white space around it."""
    if not isinstance(value, str):
        raise AuditError("class name is not a string", where=where, received=value)
    name = value.strip()
    if not name:
        raise AuditError("class name is empty", where=where)
    check_unicode(name, "class name", where)
    return name


def repeated(names: Sequence[str]) -> str | None:
    """A name that occurs twice; None where each occurs once. There is at least one."""
    name, count = Counter(names).most_common(1)[0]
    return name if count > 1 else None


def check_unicode(text: str, what: str, where: str) -> None:
    """Raise for what could be written to no table."""
    if not is_unicode(text):
        raise AuditError(f"{what} is not valid Unicode", where=where, received=text)


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, each with the line it ends on.

    Lines are decoded one by one, so that a fault names its line and a large file is not held.
    """
    with open_given(path, path.name) as file:
        lines = _lines(file, path.name)
        reader = csv.reader(lines, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise AuditError(
                f"CSV cannot be read ({error})",
                where=f"{path.name}:{reader.line_num}",
                hint="is the file cut short?",
            ) from error


def _lines(file: BinaryIO, where: str) -> Iterator[str]:
    for number, line in enumerate(iter(partial(file.readline, MAX_LINE), b""), start=1):
        if len(line) == MAX_LINE:
            raise AuditError("line is too long", where=f"{where}:{number}")
        yield decode(line, where, number)


def csv_table(path: Path) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """Header of a CSV file, and its rows by column name, each with its ``file:line``."""
    rows = csv_rows(path)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    if not any(header):
        raise AuditError("CSV has no header", where=path.name)
    if (name := repeated(header)) is not None:
        raise AuditError(f"column {name!r} occurs twice", where=f"{path.name}:1")
    return header, _by_column(header, rows, path.name)


def _by_column(
    header: list[str], rows: Iterator[tuple[int, list[str]]], name: str
) -> Iterator[tuple[str, dict[str, str]]]:
    for line, row in rows:
        where = f"{name}:{line}"
        if len(row) != len(header):
            raise AuditError(
                "row has the wrong number of fields",
                where=where,
                expected=str(len(header)),
                received=len(row),
                hint="is the file cut short?",
            )
        yield where, dict(zip(header, row, strict=True))


def require_columns(header: list[str], wanted: list[str], where: str, hint: str = "") -> None:
    """All of ``wanted`` are in the header."""
    missing = [name for name in wanted if name not in header]
    if missing:
        raise AuditError(
            f"column {missing[0]!r} is missing",
            where=where,
            expected=", ".join(wanted),
            received=", ".join(header),
            hint=hint,
        )


def distinct_names(names: dict[str, str]) -> dict[str, str]:
    """Names by key, with the key appended where two keys share a name.

    ImageNet has two classes "crane", the bird and the machine: they must stay two.
    """
    seen: dict[str, int] = {}
    for name in names.values():
        seen[name] = seen.get(name, 0) + 1
    return {k: name if seen[name] == 1 else f"{name} ({k})" for k, name in names.items()}


def usable(value: float) -> bool:
    """Whether a JSON number can be a coordinate; false for NaN and infinities too."""
    return abs(value) <= MAX_COORDINATE
