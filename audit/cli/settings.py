"""``settings``: the first stage, which alone reads the config files themselves."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", nargs="+", required=True, help="config files, merged in order"
    )
    parser.add_argument("--set", default="{}", help="JSON laid over them")
    parser.add_argument("--output", required=True, type=Path, help="stages/config.json to write")
    parser.add_argument("--log", type=Path, help="log file")


def run(args: argparse.Namespace) -> int:
    from audit.cli.stage import stage_log
    from audit.stages.settings import load_settings, run_settings

    with stage_log(args.verb, args.log):
        run_settings(load_settings(args.configfile, json.loads(args.set)), args.output)
    return 0
