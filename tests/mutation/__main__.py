"""``make mutate``: change the code in many small ways, and count the changes that a test sees.

``python -m tests.mutation [FILE ...]``, in an environment with mutmut; by default the rooms of
:data:`ROOMS`. Works on a copy in ``build/mutation``, where ``mutmut show NAME`` prints a survivor. Ends
with 1 where fewer than :data:`WANTED` of the changes were seen. About one change a second and core.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.mutation.plain import plain

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutation"
SOURCES = ("audit", "tests", "workflow", "configs", "Snakefile", "pyproject.toml")
ROOMS = ("metrics", "statistics")
WANTED = 0.85
SEEN = ("killed", "timeout", "segfault", "suspicious")


def main(files: list[str]) -> int:
    names = files or [
        str(p.relative_to(ROOT))
        for room in ROOMS
        for p in sorted((ROOT / "audit" / room).glob("*.py"))
    ]
    _copy(names)
    # Its progress goes to the terminal; a failing suite without any change ends it here.
    subprocess.run([_mutmut(), "run", "--max-children", "2"], cwd=COPY, check=True)
    return _told(_results())


def _copy(names: list[str]) -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, COPY / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, COPY / name)
    for name in names:
        (COPY / name).write_text(plain((ROOT / name).read_text("utf-8")), "utf-8")
    tests = sorted({f"tests/{Path(name).parts[1]}" for name in names})
    with (COPY / "pyproject.toml").open("a") as settings:
        settings.write(
            "\n[tool.mutmut]\n"
            f'source_paths = ["audit"]\nonly_mutate = {names}\n'
            'also_copy = ["Snakefile", "workflow", "configs"]\n'
            'pytest_add_cli_args = ["-m", "not slow"]\n'
            f"pytest_add_cli_args_test_selection = {tests}\n"
            "use_git_change_detection = false\n"
        )


def _results() -> dict[str, str]:
    """What became of each change, by its name."""
    done = subprocess.run(
        [_mutmut(), "results", "--all", "true"],
        cwd=COPY,
        check=True,
        capture_output=True,
        text=True,
    )
    pairs = (line.strip().split(": ") for line in done.stdout.splitlines() if ": " in line)
    return dict(pairs)


def _told(results: dict[str, str]) -> int:
    by_file: dict[str, Counter] = {}
    for name, became in results.items():
        by_file.setdefault(name.split(".x", 1)[0], Counter())[became in SEEN] += 1
        if became not in SEEN:
            print(f"{became}: {name}")
    for file, counts in by_file.items():
        print(f"{counts[True] / counts.total():6.1%} of {counts.total():4} seen  {file}")
    seen = sum(counts[True] for counts in by_file.values())
    print(f"{seen / len(results):6.1%} of {len(results):4} seen  in all; wanted {WANTED:.0%}")
    return 0 if seen >= WANTED * len(results) else 1


def _mutmut() -> str:
    return str(Path(sys.executable).parent / "mutmut")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
