"""``demo``: pictures with a planted shortcut, a network that falls for it, and the audit of it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("reports/demo-data"), help="where pictures and model go"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of pictures and training")
    parser.add_argument("--clean", action="store_true", help="plant nothing")
    parser.add_argument("--name", default="demo", help="name of the audit")


def run(args: argparse.Namespace) -> int:
    import sys

    from audit.demo import PLANTED, make_demo
    from audit.stages.launch import run_audit

    def say(text: str) -> None:
        print(f"focus-audit demo: {text}", file=sys.stderr, flush=True)

    plant = None if args.clean else PLANTED
    paths = make_demo(args.folder, args.seed, plant, name=args.name, say=say)
    say(f"planted: {f'the background gives away {plant!r}' if plant else 'nothing'}")
    code = run_audit(paths.config, "all", "default", ())
    if code == 1:
        say("the gate fails, as it should here; `focus-audit run` would end with exit code 1")
    return 0 if code == 1 else code
