"""``history FILE``: what became of each class over the runs that a history holds."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="SQLite file, as history.file of a config names it")
    parser.add_argument("--name", help="of one audit")
    parser.add_argument("--class", dest="class_name", metavar="CLASS", help="of one class")
    parser.add_argument("--method", help="explanation method (the first of each run)")
    parser.add_argument("--last", type=_count, metavar="N", help="the newest N runs of each audit")
    parser.add_argument("--csv", type=Path, metavar="OUT.csv", help="write the rows as a table")
    parser.add_argument("--svg", type=Path, metavar="OUT.svg", help="draw the trends")


def run(args: argparse.Namespace) -> int:
    from audit.stages.history import lines, series, trend_rows

    trends = series(
        args.file, name=args.name, class_name=args.class_name, method=args.method, last=args.last
    )
    if args.csv is not None:
        import pandas as pd

        from audit.tables.csv import write_csv

        write_csv(args.csv, pd.DataFrame(trend_rows(trends)))
    if args.svg is not None:
        from audit.report.trend import Trend, draw
        from audit.tables.atomic import write_text

        write_text(args.svg, draw([Trend(t.title, t.rows, t.changes()) for t in trends]))
    print("\n".join(lines(trends)))
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs, 1 or more")
    return int(text)
