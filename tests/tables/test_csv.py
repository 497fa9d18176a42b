"""CSV tables read back to the same values."""

import csv

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from audit.tables.csv import write_csv


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
