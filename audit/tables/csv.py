"""CSV tables that read back to the same values, byte for byte the same each time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from audit.tables.atomic import atomic_path
from audit.tables.cells import guarded, read_cells

TEXTS = ["object", "string", "category"]


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table: UTF-8, LF, ``.`` as decimal point, empty for what was not observed.

    Floats have the digits that read back to the same double; integers and truth values with gaps
    must be of pandas' nullable types, or they would turn into floats. Text that a spreadsheet would
    take for a formula is guarded (:mod:`audit.tables.cells`).
    """
    table = _guarded(table)
    # Python's writer, before 3.13, leaves a lone carriage return bare, and readers split the row.
    texts = table.select_dtypes(TEXTS)
    bare = any(texts[name].astype("string").str.contains("\r").any() for name in texts)
    quoting = csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8", quoting=quoting)


def read_texts(path: Path | str) -> pd.DataFrame:
    """A table that :func:`write_csv` wrote, all as text: a class may be called NA, or 01."""
    names, rows = read_cells(path)
    return pd.DataFrame(rows, columns=names, dtype=str)


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    table = table.rename(columns=_cell)
    for name in table.select_dtypes(TEXTS):
        table[name] = table[name].astype(object).map(_cell)
    return table


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value
