"""What the house promises of the code as a whole."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted((REPOSITORY / "audit").rglob("*.py"))


def test_imports_go_down_only():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_stay_short_enough_to_read():
    lengths = {p.relative_to(REPOSITORY): len(p.read_text().splitlines()) for p in SOURCES}
    assert {name: n for name, n in lengths.items() if n >= 500} == {}


def test_every_module_says_what_it_is_for():
    assert [p for p in SOURCES if not p.read_text().lstrip().startswith('"""')] == []
