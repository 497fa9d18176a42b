"""``prove``: what the audit finds in models of which the truth is known."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan",
        default="small",
        help="small (minutes), choosing or full (hours); small if left out",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where results go, and where an earlier call is gone on with (reports/prove-PLAN)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="instead of a plan: plant into the images of this audit's config",
    )
    parser.add_argument("--jobs", type=int, default=1, help="models at a time, a core each (1)")


def run(args: argparse.Namespace) -> int:
    from audit.errors import AuditError, one_line
    from audit.stages.runtime import set_threads

    set_threads()  # before NumPy is imported
    if not 1 <= args.jobs <= 256:
        raise AuditError("out of range", where="--jobs", expected="1 to 256", received=args.jobs)
    lines = _on_own_data(args) if args.config else _on_planted_models(args)
    print("\n".join(map(one_line, lines)))
    return 0


def _on_own_data(args: argparse.Namespace) -> list[str]:
    from audit.progress import Progress
    from audit.prove.own_campaign import prove_own

    folder = args.out or Path("reports") / f"prove-{args.config.stem}"
    return [*prove_own(args.config, folder, Progress("prove")), str(folder / "own.csv")]


def _on_planted_models(args: argparse.Namespace) -> list[str]:
    from audit.progress import Progress
    from audit.prove.campaign import run_plan
    from audit.prove.plan import get_plan
    from audit.prove.results import told_rates, write_results

    plan = get_plan(args.plan)
    folder = args.out or Path("reports") / f"prove-{plan.name}"
    # Written anew after each model: a run that is cut off leaves results, too.
    rows = run_plan(
        plan, folder, args.jobs, Progress("prove").say,
        after_each=lambda rows: write_results(plan, rows, folder),
    )  # fmt: skip
    return [*told_rates(write_results(plan, rows, folder)), str(folder / "README.md")]
