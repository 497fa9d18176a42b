"""Images that are no independent observations of each other."""

import numpy as np
import pandas as pd
import pytest

from audit.stages.clusters import clusters
from audit.stages.gather import Gathered
from audit.stages.judge import with_names


@pytest.mark.parametrize(
    ("groups", "labels", "expected"),
    [
        ([0, 1, 0, 3], None, [0, 1, 0, 3]),
        ([0, 1, 2, 3], ["a", "b", "a", ""], [0, 1, 0, 3]),
        ([0, 1, 2, 3], ["", "", "", ""], [0, 1, 2, 3]),
        # Near-duplicates 1 and 3 join the videos b and c.
        ([0, 1, 2, 1, 4, 5], ["a", "b", "b", "c", "c", "a"], [0, 1, 1, 1, 1, 0]),
        # An image without a label goes with its near-duplicate, and with that one's video.
        ([0, 0, 2, 3], ["", "a", "a", ""], [0, 0, 0, 3]),
        ([], [], []),
    ],
)
def test_by_hand(groups, labels, expected):
    found = clusters(np.array(groups, np.int64), labels)
    assert found.tolist() == expected and found.dtype == np.int64


def test_predictions_name_the_first_of_the_near_duplicates_and_of_the_cluster():
    """a and b are nearly the same; b and d share a label, and so d counts with them."""
    images = pd.DataFrame({"file_name": list("abcd"), "group": [0, 0, 2, 3]})
    number = clusters(images["group"].to_numpy(), ["", "x", "y", "x"])
    records = images.drop(columns="file_name").assign(file_name=list("abcd"), cluster=number)
    told = with_names(records, Gathered(records, None, images, None))
    assert told["duplicate_of"].fillna("").tolist() == ["", "a", "", ""]
    assert told["cluster"].tolist() == ["a", "a", "c", "a"]
