"""Columns of the records as NumPy arrays, of which a class's rows are taken.

To cut a table into ten thousand classes costs milliseconds each in pandas, which is far more than
what is then computed of a few records.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import pandas as pd


class Columns:
    """Some rows of a table of records; each column is converted once, for all that is taken of it."""

    def __init__(self, records: pd.DataFrame) -> None:
        self._records = records
        self._whole: dict[Hashable, np.ndarray] = {}
        self._rows: np.ndarray | slice = slice(None)
        self._length = len(records)

    def __len__(self) -> int:
        return self._length

    def take(self, rows: np.ndarray) -> Columns:
        """The rows at these positions, int or bool (n,), in that order."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        taken = Columns.__new__(Columns)
        taken._records, taken._whole = self._records, self._whole
        taken._rows = positions if isinstance(self._rows, slice) else self._rows[positions]
        taken._length = len(positions)
        return taken

    def numbers(self, name: str) -> np.ndarray:
        """float64 (n,), NaN where it was not observed or not chosen."""
        return self._of("number", name, lambda: numbers(self._records, name))

    def equals(self, name: str, value: str | bool) -> np.ndarray:
        """bool (n,): where a column says so."""
        return self._of(
            ("equals", value), name, lambda: (self._records[name] == value).to_numpy(bool)
        )

    def distinct(self, name: str) -> int:
        """How many values a column of text has."""
        codes = self._of("code", name, lambda: pd.factorize(self._records[name])[0])
        return len(np.unique(codes))

    @property
    def clusters(self) -> np.ndarray:
        """int64 (n,): number of each record's cluster of images (:mod:`audit.stages.clusters`)."""
        return self._of("cluster", "cluster", lambda: cluster_of(self._records))

    def _of(self, what: Hashable, name: str, made: Callable[[], np.ndarray]) -> np.ndarray:
        key = what, name
        if key not in self._whole:
            self._whole[key] = made()
        return self._whole[key][self._rows]


def numbers(records: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64, NaN where it was not observed or not chosen."""
    if column not in records:
        return np.full(len(records), np.nan)
    return records[column].to_numpy(np.float64, na_value=np.nan)


def cluster_of(records: pd.DataFrame) -> np.ndarray:
    """int64 (n,): number of each record's cluster of images (:mod:`audit.stages.clusters`)."""
    return records["cluster"].to_numpy(np.int64)
