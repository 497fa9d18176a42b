"""``check CONFIG``: what would be audited and what not, without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="config file (YAML)")


def run(args: argparse.Namespace) -> int:
    from audit.errors import one_line
    from audit.progress import Progress
    from audit.stages.check import check_audit

    print("\n".join(map(one_line, check_audit(args.config, Progress("check")))))
    return 0
