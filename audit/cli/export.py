"""``export REPORT --to TARGET``: a finished run, where teams look at things."""

from __future__ import annotations

import argparse
from pathlib import Path

from audit.errors import AuditError

# Target -> its own options; the first ones it cannot do without.
OPTIONS = {
    "mlflow": ("tracking_uri", "experiment"),
    "fiftyone": ("out", "images"),
    "summary": ("out",),
}
NEEDED = {"mlflow": ("tracking_uri",), "fiftyone": ("out",), "summary": ()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="results folder, reports/NAME")
    parser.add_argument(
        "--to", required=True, choices=tuple(OPTIONS),
        help="mlflow: a run of a tracking server or file store; fiftyone: a COCO data set with the "
        "heatmaps' boxes; summary: one JSON to post",
    )  # fmt: skip
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="mlflow: http://HOST:PORT, or a folder"
    )
    parser.add_argument("--experiment", metavar="NAME", help="mlflow (default: focus-audit)")
    parser.add_argument(
        "--out", type=Path, metavar="PATH",
        help="fiftyone: a new folder; summary: a file (default: standard output)",
    )  # fmt: skip
    parser.add_argument(
        "--images", choices=("none", "link", "copy"),
        help="fiftyone: put the images beside the labels (default: none)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    _check_options(args)
    if args.to == "mlflow":
        from audit.stages.export_mlflow import export_mlflow

        experiment = args.experiment or "focus-audit"
        sent = export_mlflow(args.report, args.tracking_uri, experiment)
        done = f"{sent.n_metrics} metrics sent" if sent.new else "these results are there already"
        print(f"MLflow run {sent.run_id} in experiment {experiment}: {done}")
    elif args.to == "fiftyone":
        from audit.stages.export_fiftyone import export_fiftyone

        counts = export_fiftyone(args.report, args.out, args.images or "none")
        print(f"{args.out}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    else:
        from audit.stages.export_summary import export_summary, write_summary
        from audit.stages.gate import today

        write_summary(export_summary(args.report, today()), args.out)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    for name in sorted({n for names in OPTIONS.values() for n in names}):
        flag = f"--{name.replace('_', '-')}"
        given = getattr(args, name) is not None
        if given and name not in OPTIONS[args.to]:
            raise AuditError(f"{flag} is no option of --to {args.to}")
        if not given and name in NEEDED[args.to]:
            raise AuditError(f"{flag} is missing", expected=f"with --to {args.to}")
