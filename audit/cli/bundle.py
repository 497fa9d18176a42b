"""``bundle REPORT``: one archive of a finished run that others can check."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="results folder, reports/NAME")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.zip", help="default: reports/NAME-evidence.zip"
    )
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="SSH private key that signs the manifest"
    )
    parser.add_argument(
        "--with-stages", action="store_true", help="pack the intermediate files, too"
    )


def run(args: argparse.Namespace) -> int:
    from audit.stages.bundle import bundle

    packed = bundle(args.report, args.out, args.sign, args.with_stages)
    print(f"Packed {packed.files} files: {packed.path}")
    print(f"SHA-256 of the manifest: {packed.manifest}")
    return 0
