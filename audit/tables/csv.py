"""CSV tables that read back to the same values, byte for byte the same each time."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from audit.tables.atomic import atomic_path


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table: UTF-8, LF, ``.`` as decimal point, empty for what was not observed.

    Floats have the digits that read back to the same double; integers and truth values with gaps
    must be of pandas' nullable types, or they would turn into floats.
    """
    # Python's writer, before 3.13, leaves a lone carriage return bare, and readers split the row.
    texts = table.select_dtypes(["object", "string"])
    bare = any(texts[name].astype("string").str.contains("\r").any() for name in texts)
    quoting = csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8", quoting=quoting)
