"""CSV tables read back to the same values."""

import csv
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tables.cells import guarded, read_rows, unguarded
from audit.tables.csv import read_texts, write_csv


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_doubles_read_back_to_the_same_bits(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_csv(path, pd.DataFrame({"v": np.array(values)}))
    back = [float(row["v"]) for row in csv.DictReader(path.open())]
    assert np.array(back).tobytes() == np.array(values).tobytes()


def test_gaps_leave_integers_and_truth_values_as_they_are(tmp_path):
    table = pd.DataFrame(
        {
            "n": pd.array([3, None], "Int64"),
            "hit": pd.array([True, None], "boolean"),
            "x": [0.1, np.nan],
            "name": ['a,"b"', None],
        }
    )
    write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_bytes() == b'n,hit,x,name\n3,True,0.1,"a,""b"""\n,,,\n'


def test_text_with_line_breaks_and_other_scripts_reads_back(tmp_path):
    names = ["a\nb", "林檎", " x ", "a\rb"]
    write_csv(tmp_path / "t.csv", pd.DataFrame({"name": names, "n": range(4)}))
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == names


def test_no_rows_still_have_a_header(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [], "b": []}))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n"


# --- text that a spreadsheet would take for a formula

FORMULAS = [
    "=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\ttab", "\rline", "\nline", "  =1",
    "\u200f=1", "\u202e-1", "\ufeff@x", "\uff1d1", "'=1", "''+x", "=" * 40_000, "-", '="a,b"\r\n',
]  # fmt: skip
PLAIN = ["cat", "a=b", "it's", "'tis", "''", "", " ", "1e-5", "a\t=b", "\u200fcat", "_=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_would_be_a_formula_is_marked(text):
    assert guarded(text) == "'" + text and unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays_as_it_is(text):
    assert guarded(text) == unguarded(text) == text


@given(st.text("'=+-@ \t\r\na1\u200f\uff1d"))
def test_what_is_read_is_what_was_written(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell[:1] not in tuple("=+-@\t\r\n\uff1d")
    assert cell.lstrip(" \t\r\n\u200f")[:1] not in tuple("=+-@\uff1d")


def test_a_table_of_hostile_names_reads_back_and_its_numbers_stay_numbers(tmp_path):
    names = FORMULAS + PLAIN[:4]
    table = pd.DataFrame({"=name": names, "x": -np.arange(len(names)) - 0.5, "n": -1})
    table["kind"] = pd.Categorical(["-a"] * len(names))
    table["mixed"] = pd.Series(
        ["@b", None, -2.5, True] * 5 + [None] * (len(names) - 20), dtype=object
    )
    write_csv(tmp_path / "t.csv", table)
    rows = read_rows(tmp_path / "t.csv")
    assert [row["=name"] for row in rows] == names
    assert [float(row["x"]) for row in rows] == table["x"].tolist()
    assert {(row["n"], row["kind"]) for row in rows} == {("-1", "-a")}
    assert [row["mixed"] for row in rows[:4]] == ["@b", "", "-2.5", "True"]
    assert read_texts(tmp_path / "t.csv").to_dict("records") == rows
    raw = list(csv.reader((tmp_path / "t.csv").open(encoding="utf-8", newline="")))
    texts = [row[k] for row in raw for k in (0, 3)]
    assert not [t for t in texts if re.match("[\t\r\n]|\\W*[=+@\uff1d-]", t) and t[0] != "'"]


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [], "b": []}))
    assert (
        list(read_texts(tmp_path / "t.csv")) == ["a", "b"] and read_rows(tmp_path / "t.csv") == []
    )
