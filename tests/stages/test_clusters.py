"""Images that are no independent observations of each other."""

import numpy as np
import pytest

from audit.stages.clusters import clusters


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
