"""``sign-off REPORT``: write down who decided what on a run, and on which state of its results."""

from __future__ import annotations

import argparse
from pathlib import Path

from audit.cli.arguments import day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="results folder, reports/NAME")
    parser.add_argument("--reviewer", required=True, metavar="NAME", help="who decides")
    parser.add_argument("--role", required=True, help="in which role")
    parser.add_argument("--decision", required=True, help="approve, reject or conditional")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
    parser.add_argument(
        "--conditions", metavar="TEXT", help="what has to hold, for a conditional decision"
    )
    parser.add_argument(
        "--date", type=day, metavar="YYYY-MM-DD",
        help="day of the decision (default: today, UTC); when it was entered is noted beside it",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from audit.stages.sign_off import sign_off, sign_off_state

    entry = sign_off(
        args.report, reviewer=args.reviewer, role=args.role, decision=args.decision,
        reason=args.reason, conditions=args.conditions, date=args.date,
    )  # fmt: skip
    print(f"Entry {entry.number}: {sign_off_state(args.report).sentence()}")
    return 0
