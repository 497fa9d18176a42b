"""Cells of CSV tables that no spreadsheet takes for a formula, and the way back.

Class and file names come from others. A cell that begins with ``=``, ``+``, ``-`` or ``@`` may run
as a formula where a person opens the table (OWASP, "CSV Injection"), so that text gets a ``'`` in
front. Text that has one already, before such a beginning, gets one more: taking off one gives the
very text that was written. Numbers are no text, and stay as they are.

Nothing here loads pandas.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "'"
# Blanks and marks that do not show, behind which spreadsheets may look for a formula, and the
# full-width signs that some of them read as the plain ones.
UNSEEN = r"\s\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20"
FORMULA = re.compile(rf"{MARK}*(?:[{UNSEEN}]*[{SIGNS}]|[\t\r\n])")
# Of Python's reader: a name may be longer than the 128 KiB that it stops at.
LONGEST_CELL = 1 << 27


def guarded(text: str) -> str:
    """Text as it is written into a cell."""
    return MARK + text if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Text that :func:`guarded` wrote."""
    return cell[1:] if cell.startswith(MARK) and FORMULA.match(cell) else cell


def read_rows(path: Path | str) -> list[dict[str, str]]:
    """The rows of a table that this package wrote, as text by column; no row where it is empty.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error: it cannot be read.
    """
    names, rows = read_cells(path)
    return [dict(zip(names, row, strict=False)) for row in rows]


def read_cells(path: Path | str) -> tuple[list[str], list[list[str]]]:
    """The columns' names and the rows of such a table, as text."""
    with Path(path).open(encoding="utf-8", newline="") as file, _long_cells():
        names, *rows = [[*map(unguarded, row)] for row in csv.reader(file) if row] or [[]]
    return names, rows


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
