"""Parquet files written in pieces and read in pieces, so that memory does not grow with the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.digest import digest_json
from audit.errors import AuditError, first_line
from audit.tables.atomic import atomic_path
from audit.tables.json_file import AGAIN
from audit.tables.version import SCHEMA_VERSION

VERSION_KEY = b"focus_audit_schema_version"
COLUMNS_KEY = b"focus_audit_columns"
ROWS_KEY = b"focus_audit_rows"
ROWS_PER_GROUP = 1024
# Checked when read: a byte that turned on the disk would otherwise be another number.
STORED = {"compression": "zstd", "write_page_checksum": True}


class TableWriter:
    """Appends rows to an open Parquet file, a row group at a time."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        self._rows = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; a column that the row lacks is null."""
        for name, values in self._columns.items():
            values.append(row.get(name))
        if len(self._columns[self._schema.names[0]]) >= ROWS_PER_GROUP:
            self.flush()

    def close(self) -> None:
        """Write the rest, and how many rows there are."""
        self.flush()
        self._writer.add_key_value_metadata({ROWS_KEY: str(self._rows).encode()})

    def flush(self) -> None:
        """Write out what is held in memory."""
        if held := len(self._columns[self._schema.names[0]]):
            self._rows += held
            self._writer.write_table(pa.table(self._columns, schema=self._schema))
            self._columns = {name: [] for name in self._schema.names}


@contextmanager
def open_table(path: Path | str, schema: pa.Schema) -> Iterator[TableWriter]:
    """Write a table atomically: the file appears, whole, when the block ends."""
    schema = schema.with_metadata(_stamp(schema))
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, **STORED) as out,
    ):
        writer = TableWriter(out, schema)
        yield writer
        writer.close()


def write_rows(path: Path | str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows at once, atomically."""
    with open_table(path, schema) as table:
        for row in rows:
            table.append(row)


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a data frame's columns, without its index, atomically."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    stamp = _stamp(table.schema) | {ROWS_KEY: str(len(table)).encode()}
    table = table.replace_schema_metadata(stamp)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, **STORED)


def iterate_rows(
    path: Path | str, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a table one by one, holding one row group in memory."""
    for batch in iterate_batches(path, columns):
        yield from batch.to_pylist()


def iterate_batches(
    path: Path | str, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a table, a row group at a time."""
    with _open(path) as file:
        found = 0
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns):
            found += batch.num_rows
            yield batch
        _check_rows(path, file, found)


def count_rows(path: Path | str) -> int:
    """Rows of a table, from its footer."""
    with _open(path) as file:
        _check_rows(path, file, file.metadata.num_rows)
        return file.metadata.num_rows


def read_schema(path: Path | str) -> pa.Schema:
    """Names and types of a table's columns."""
    with _open(path) as file:
        return file.schema_arrow


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole table."""
    with _open(path) as file:
        table = file.read(columns=columns)
        _check_rows(path, file, table.num_rows)
        return table


@contextmanager
def _open(path: Path | str) -> Iterator[pq.ParquetFile]:
    """A table of ours; what its reading raises, too, is told as a fault of the file."""
    try:
        # A mapped file is paged in and out by the system and needs no copy.
        with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            _check_version(path, file)
            yield file
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise AuditError(
            f"cannot be read: {first_line(error)}", where=str(path), hint=AGAIN
        ) from error


def _check_version(path: Path | str, file: pq.ParquetFile) -> None:
    schema, about = file.schema_arrow, file.metadata.metadata or {}
    version = about.get(VERSION_KEY, b"none").decode(errors="replace")
    if version != SCHEMA_VERSION:
        raise AuditError(
            "was written by another version", where=str(path),
            expected=f"schema version {SCHEMA_VERSION}", received=version,
            hint="delete the results folder and run again",
        )  # fmt: skip
    if about.get(COLUMNS_KEY) != _stamp(schema)[COLUMNS_KEY]:
        raise _damaged(path, "columns")


def _check_rows(path: Path | str, file: pq.ParquetFile, found: int) -> None:
    """What stands before the pages has no checksum, and a turned byte there may lose whole parts."""
    if file.metadata.metadata.get(ROWS_KEY) != str(found).encode():
        raise _damaged(path, "rows")


def _damaged(path: Path | str, what: str) -> AuditError:
    return AuditError(
        f"is damaged: its {what} are not those that were written", where=str(path),
        hint=AGAIN,
    )  # fmt: skip


def _stamp(schema: pa.Schema) -> dict[bytes, bytes]:
    """What a table says of itself; its checksums are of the pages alone, not of the columns' names."""
    columns = digest_json([[field.name, _kind(field.type)] for field in schema])
    return {VERSION_KEY: SCHEMA_VERSION.encode(), COLUMNS_KEY: columns.encode()}


def _kind(type_: pa.DataType) -> Any:
    """A type by what is in it: Parquet names the items of a list, and counts categories, as it likes."""
    if pa.types.is_list(type_):
        return ["list", _kind(type_.value_type)]
    if pa.types.is_struct(type_):
        return [[field.name, _kind(field.type)] for field in type_]
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    return str(plain).removeprefix("large_")
