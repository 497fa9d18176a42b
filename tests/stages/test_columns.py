"""Columns of which rows are taken, and rows of those again."""

import numpy as np
import pandas as pd

from audit.stages.columns import Columns

RECORDS = pd.DataFrame(
    {
        "status": ["scored", "excluded", "scored", "scored"],
        "energy": [0.5, None, 0.25, 1.0],
        "cluster": [7, 7, 2, 3],
    }
)


def test_rows_of_rows():
    chosen = Columns(RECORDS).take(np.array([3, 1, 0]))
    assert len(chosen) == 3 and chosen.clusters.tolist() == [3, 7, 7]
    again = chosen.take(np.array([False, True, True]))
    assert len(again) == 2 and again.distinct("cluster") == 1
    np.testing.assert_array_equal(again.numbers("energy"), [np.nan, 0.5])
    assert again.equals("status", "scored").tolist() == [False, True]
    assert chosen.numbers("energy")[0] == 1.0


def test_what_was_not_chosen_was_not_observed():
    assert np.isnan(Columns(RECORDS).take(np.array([0, 2])).numbers("none")).tolist() == [True] * 2
