"""``compare OLD NEW``: did the model's focus change; 0 no class is worse, 1 one is, 2 not to be told."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, help="results folder of the earlier run")
    parser.add_argument(
        "new", type=Path, nargs="+", help="results folder of a later run; each is held against OLD"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where tables and page go (NEW/compare/OLD)"
    )
    parser.add_argument("--method", help="explanation method (the first of NEW)")
    parser.add_argument("--layer", help="layer (the method's first, whatever its name)")
    parser.add_argument(
        "--despite-differences", action="store_true",
        help="compare runs that differ in data, method or settings, and say in what",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from audit.stages.compare_files import output_folders, told, write_comparison
    from audit.stages.compare_runs import compare_runs

    worse = False
    folders = output_folders(args.old, args.new, args.out)
    for new, folder in zip(args.new, folders, strict=True):
        comparison = compare_runs(
            args.old, new, method=args.method, layer=args.layer,
            despite_differences=args.despite_differences,
        )  # fmt: skip
        write_comparison(comparison, folder)
        print("\n".join([*told(comparison), f"  {folder / 'comparison.html'}"]))
        worse = worse or comparison.is_worse
    return int(worse)
