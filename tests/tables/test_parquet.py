"""Parquet streams: whole or not there, of this version or refused."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import AuditError
from audit.tables import parquet
from audit.tables.parquet import (
    ROWS_PER_GROUP,
    count_rows,
    iterate_rows,
    open_table,
    read_table,
    write_frame,
    write_rows,
)

SCHEMA = pa.schema([("name", pa.string()), ("n", pa.int32()), ("map", pa.binary())])


def rows(count):
    return [{"name": f"i{k}", "n": k, "map": bytes([k % 256])} for k in range(count)]


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_GROUP, 2 * ROWS_PER_GROUP + 1])
def test_rows_come_back_in_order(tmp_path, count):
    path = tmp_path / "t.parquet"
    write_rows(path, SCHEMA, rows(count))
    assert list(iterate_rows(path)) == rows(count)
    assert count_rows(path) == count
    sizes = pq.ParquetFile(path).metadata
    groups = [sizes.row_group(g).num_rows for g in range(sizes.num_row_groups)]
    assert all(n <= ROWS_PER_GROUP for n in groups) and sum(groups) == count


def test_rows_are_written_while_they_come(tmp_path):
    with open_table(tmp_path / "t.parquet", SCHEMA) as table:
        for row in rows(ROWS_PER_GROUP):
            table.append(row)
        (part,) = tmp_path.glob(".t.parquet.*.part")
        assert part.stat().st_size > ROWS_PER_GROUP  # one group is on disk, none in memory


def test_columns_are_chosen_and_missing_values_are_null(tmp_path):
    write_rows(tmp_path / "t", SCHEMA, [{"name": "a"}, {"n": 2, "unknown": 3}])
    assert list(iterate_rows(tmp_path / "t", ["n"])) == [{"n": None}, {"n": 2}]
    assert read_table(tmp_path / "t").schema.names == ["name", "n", "map"]


@pytest.mark.parametrize("written", [0, 3, ROWS_PER_GROUP + 3])
def test_a_writer_that_fails_leaves_nothing(tmp_path, written):
    with pytest.raises(ZeroDivisionError), open_table(tmp_path / "t", SCHEMA) as table:
        for row in rows(written):
            table.append(row)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_the_wrong_type_leaves_the_old_table(tmp_path):
    write_rows(tmp_path / "t", SCHEMA, rows(1))
    with pytest.raises(pa.ArrowException):
        write_rows(tmp_path / "t", SCHEMA, [{"n": "three"}])
    assert list(iterate_rows(tmp_path / "t")) == rows(1)


def test_a_frame_keeps_its_nullable_types(tmp_path):
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], "Int64"),
            "hit": pd.array([None, False], "boolean"),
            "x": [0.1, None],
        },
        index=[7, 9],
    )
    write_frame(tmp_path / "t", frame)
    assert read_table(tmp_path / "t").to_pydict() == {
        "n": [1, None],
        "hit": [None, False],
        "x": [0.1, None],
    }


@pytest.mark.parametrize("written", ["0", None])
def test_another_version_is_refused(tmp_path, written, monkeypatch):
    if written is None:
        pq.write_table(pa.table({"n": [1]}), tmp_path / "t")
    else:
        with monkeypatch.context() as patch:
            patch.setattr(parquet, "SCHEMA_VERSION", written)
            write_rows(tmp_path / "t", SCHEMA, rows(1))
    for read in (count_rows, read_table, lambda path: next(iterate_rows(path))):
        with pytest.raises(AuditError, match="another version; expected schema version 1"):
            read(tmp_path / "t")


def test_a_file_that_is_not_there_is_no_table_or_is_cut(tmp_path):
    write_rows(tmp_path / "whole", SCHEMA, rows(5))
    whole = (tmp_path / "whole").read_bytes()
    faults = {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "cut": whole[:-20],
        "footer": whole[: len(whole) // 2],
    }
    for name, data in faults.items():
        (tmp_path / name).write_bytes(data)
    for name in [*faults, "gone"]:
        with pytest.raises(AuditError, match="cannot be read: ") as caught:
            count_rows(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.hint == "delete it and run again"


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_rows(tmp_path / name, SCHEMA, rows(1500))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_byte_that_turned_is_told_and_never_another_number(tmp_path):
    path = tmp_path / "t.parquet"
    write_rows(path, SCHEMA, rows(300))
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        spoilt = bytearray(whole)
        spoilt[at] ^= 0x10
        path.write_bytes(spoilt)
        try:
            found = list(iterate_rows(path))
        except AuditError as error:
            assert str(path) in str(error)
        else:
            assert found == rows(300), f"byte {at}"
