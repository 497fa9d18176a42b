"""``python -m tests.fuzz [TARGET ...] --seconds N``: look for inputs that a parser does not refuse."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import NAMES
from .engine import search


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (0)")
    parser.add_argument("--keep", type=Path, default=Path("scratch/fuzz"), help="where findings go")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(NAMES):
        parser.error(f"no target {sorted(unknown)[0]!r}")
    findings = 0
    for name in args.targets or NAMES:
        found = search(name, args.seconds, args.seed, args.keep / name)
        print(found.line(name), flush=True)
        findings += len(found.findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
