"""``compare-methods CONFIG_OR_RESULTS``: the methods of a finished run, on the same records."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_of", metavar="CONFIG_OR_RESULTS", type=Path, help="config file, or results folder"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.csv", help="instead of methods.csv in the results"
    )


def run(args: argparse.Namespace) -> int:
    from audit.errors import one_line
    from audit.stages.compare_methods import compare_run, results_of

    lines = compare_run(results_of(args.run_of), args.output).lines()
    print("\n".join(map(one_line, lines)))
    return 0
