"""``report REPORT``: the page of a finished run, made anew from its tables."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="results folder, reports/NAME")
    parser.add_argument(
        "--pdf", action="store_true", help="print it as report.pdf, too (by Chromium or WeasyPrint)"
    )
    parser.add_argument("--log", type=Path, help="log file")


def run(args: argparse.Namespace) -> int:
    from audit.stages.runtime import set_threads

    set_threads()  # before NumPy is imported
    from audit.cli.stage import stage_log
    from audit.stages.report import run_report

    with stage_log("report", args.log) as progress:
        page = run_report(args.report, progress)
        if args.pdf:
            from audit.stages.report_pdf import write_pdf

            progress.say(str(write_pdf(page)))
    return 0
