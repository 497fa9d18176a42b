"""``verify BUNDLE``: 0 all holds, 1 something does not, 2 it is no bundle."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="bundle, or results folder")
    parser.add_argument(
        "--signers", type=Path, metavar="ALLOWED_SIGNERS",
        help="whose signature counts (ssh-keygen(1), ALLOWED SIGNERS); asks for one",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="PATH_OR_SHA256", help="hold this model against the one that was audited"
    )
    parser.add_argument(
        "--replay", nargs="?", const=True, metavar="CONFIG",
        help="run the audit again and compare the tables; with this config where paths have changed",
    )  # fmt: skip
    parser.add_argument("--cores", default="all", help="cores for --replay (default: all)")


def run(args: argparse.Namespace) -> int:
    from audit.stages.verify import verify

    found = verify(args.bundle, args.signers, args.model)
    if args.replay is not None and found.holds:
        from audit.stages.replay import replay

        config = None if args.replay is True else Path(args.replay)
        replay(found, args.bundle, config, args.cores)
    elif args.replay is not None:
        found.note("not replayed, since it does not hold")
    print(found.checked)
    for text in found.notes:
        print(f"  note: {text}")
    for text in found.faults:
        print(f"  FAULT: {text}")
    count = len(found.faults)
    print("All holds" if found.holds else f"Does not hold: {count} fault{'s' * (count > 1)}")
    return 0 if found.holds else 1
