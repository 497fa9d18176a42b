"""The order of the slow tests names what exists, and what starts late is skipped with its reason."""

import subprocess
import sys
import time

import pytest

from tests.in_order import END, FIRST, LAST, rank
from tests.packaging.packages import ROOT

TESTS = """
import pytest
@pytest.mark.slow
def test_slow(): pass
def test_quick(): pass
"""


def test_every_place_in_the_order_is_taken():
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]
    assert {rank(name) for name in files} == set(range(END + 1))
    # A folder named before a file in it would take that file's place.
    assert [rank(start) for start in FIRST] == list(range(len(FIRST)))
    assert {rank(start) for start in LAST} == {END}


@pytest.mark.parametrize(("seconds", "told"), [(600, "4 passed"), (-1, "2 passed, 2 skipped")])
def test_late_slow_tests_are_skipped_with_the_reason(tmp_path, seconds, told):
    for name in ("tests/config/test_b.py", "tests/models/test_a.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-v", "-p", "tests.in_order", "--rootdir", tmp_path,
         "-c", tmp_path / "pytest.ini", "--import-mode", "importlib", tmp_path / "tests"],
        env={"FOCUS_AUDIT_DEADLINE": str(time.time() + seconds)}, cwd=ROOT,
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert told in done.stdout.splitlines()[-1]
    assert ("no time left" in done.stdout) == (seconds < 0)
    order = [line.split("::")[0] for line in done.stdout.splitlines() if "::" in line]
    assert order[0].endswith("tests/models/test_a.py")
