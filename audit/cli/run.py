"""``run CONFIG``: the whole audit, through Snakemake, with one clear line when it cannot go on."""

from __future__ import annotations

import argparse
from pathlib import Path

from audit.cli.log_format import add_log_format, set_log_format


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="config file (YAML)")
    parser.add_argument("--cores", help="cores to use (default: the profile's, or all)")
    parser.add_argument(
        "--profile", default="default", help="profile in workflow/profiles, or a folder"
    )
    add_log_format(parser)
    parser.add_argument(
        "snakemake", nargs="*", metavar="-- SNAKEMAKE ARGS", help="passed on to Snakemake"
    )


def run(args: argparse.Namespace) -> int:
    set_log_format(args.log_format, "run")
    from audit.stages.launch import run_audit

    return run_audit(args.config, args.cores, args.profile, args.snakemake)
