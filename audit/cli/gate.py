"""``gate REPORT``: does the run hold the policy; 0 it does, 1 it does not, 2 it cannot be told."""

from __future__ import annotations

import argparse
from pathlib import Path

from audit.cli.arguments import day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="results folder, reports/NAME")
    parser.add_argument(
        "--junit", type=Path, metavar="FILE.xml", help="write the checks as JUnit XML, too"
    )
    parser.add_argument(
        "--policy", type=Path, metavar="CONFIG", help="hold the gate of this config against the run"
    )
    parser.add_argument(
        "--date", type=day, metavar="YYYY-MM-DD",
        help="day for which waivers count (default: today, UTC)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from audit.stages.gate import gate, today, told, write_junit

    verdict = gate(args.report, args.date or today(), args.policy)
    if args.junit is not None:
        write_junit(verdict, args.junit)
    print("\n".join(told(verdict)))
    return 0 if verdict.passes else 1
