"""Parquet files written in pieces and read in pieces, so that memory does not grow with the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import AuditError
from audit.tables.atomic import atomic_path
from audit.tables.version import SCHEMA_VERSION

VERSION_KEY = b"focus_audit_schema_version"
ROWS_PER_GROUP = 1024


class TableWriter:
    """Appends rows to an open Parquet file, a row group at a time."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; a column that the row lacks is null."""
        for name, values in self._columns.items():
            values.append(row.get(name))
        if len(self._columns[self._schema.names[0]]) >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write out what is held in memory."""
        if self._columns[self._schema.names[0]]:
            self._writer.write_table(pa.table(self._columns, schema=self._schema))
            self._columns = {name: [] for name in self._schema.names}


@contextmanager
def open_table(path: Path | str, schema: pa.Schema) -> Iterator[TableWriter]:
    """Write a table atomically: the file appears, whole, when the block ends."""
    schema = schema.with_metadata({VERSION_KEY: SCHEMA_VERSION.encode()})
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as out,
    ):
        writer = TableWriter(out, schema)
        yield writer
        writer.flush()


def write_rows(path: Path | str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows at once, atomically."""
    with open_table(path, schema) as table:
        for row in rows:
            table.append(row)


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a data frame's columns, without its index, atomically."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({VERSION_KEY: SCHEMA_VERSION.encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def iterate_rows(
    path: Path | str, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a table one by one, holding one row group in memory."""
    with _open(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns):
            yield from batch.to_pylist()


def count_rows(path: Path | str) -> int:
    """Rows of a table, from its footer."""
    with _open(path) as file:
        return file.metadata.num_rows


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole table."""
    with _open(path) as file:
        return file.read(columns=columns)


@contextmanager
def _open(path: Path | str) -> Iterator[pq.ParquetFile]:
    try:
        # A mapped file is paged in and out by the system and needs no copy.
        file = pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise AuditError(
            f"cannot be read: {reason}", where=str(path), hint="delete it and run again"
        ) from error
    with file:
        version = (file.schema_arrow.metadata or {}).get(VERSION_KEY, b"none").decode()
        if version != SCHEMA_VERSION:
            raise AuditError(
                "was written by another version", where=str(path),
                expected=f"schema version {SCHEMA_VERSION}", received=version,
                hint="delete the results folder and run again",
            )  # fmt: skip
        yield file
