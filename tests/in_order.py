"""The slow tests in order of what they tell, until the time is up; `.ci/run` loads this plugin.

``FOCUS_AUDIT_DEADLINE`` (seconds since 1970) is when no further slow test starts: those are skipped with
that reason, never left out unseen. Without it, only the order is kept.
"""

import os
import time

import pytest

# Beginnings of paths; what is not named comes after them, in pytest's order.
FIRST = (
    "tests/workflow/test_same_bytes",
    "tests/workflow/test_bad_input",
    "tests/workflow/test_report",
    "tests/demo/test_audited",
    "tests/workflow/test_faults",  # the longest: begun late it would go on long after the time is up
    "tests/models",
    "tests/stages",
    "tests/packaging",
    "tests/workflow/test_slurm",
    "tests/workflow/test_stopping",
    "tests/prove",
)
# What takes many minutes and repeats others on more data.
LAST = ("tests/real_data/test_on_slurm", "tests/workflow/test_kubernetes")
END = len(FIRST) + 1


def rank(path: str) -> int:
    """Place of a test file, given relative to the repository."""
    if path.startswith(LAST):
        return END
    return next((n for n, start in enumerate(FIRST) if path.startswith(start)), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Sorting keeps the order within a file, so that what a file shares is made once.
    items.sort(key=lambda item: rank(item.nodeid))


def pytest_runtest_setup(item: pytest.Item) -> None:
    deadline = os.environ.get("FOCUS_AUDIT_DEADLINE")
    if deadline and item.get_closest_marker("slow") and time.time() > float(deadline):
        pytest.skip("no time left")
