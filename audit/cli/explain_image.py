"""``explain-image MODEL IMAGE``: heatmaps of one picture on one sheet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="model file or SavedModel folder, or an audit's config (.yaml)"
    )
    parser.add_argument("image", type=Path, help="image file")
    parser.add_argument(
        "--classes", nargs="+", default=[], metavar="CLASS", help="labels, indices or classes"
    )
    parser.add_argument("--top-k", type=int, default=3, help="or the top predictions (3)")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="`focus-audit methods`")
    parser.add_argument("--layers", nargs="+", metavar="LAYER", help="`focus-audit layers MODEL`")
    parser.add_argument("--score", choices=("logit", "probability", "loss"))
    parser.add_argument(
        "--preprocess", help="what the model was trained on: mobilenet_v2, none ..."
    )
    parser.add_argument("--labels", type=Path, help="names of the model's outputs")
    parser.add_argument("--resize", choices=("stretch", "center_crop", "letterbox"))
    parser.add_argument("--input-size", nargs=2, type=int, metavar=("H", "W"), help="if it is open")
    parser.add_argument("--trust-code", action="store_true", help="let code in the model file run")
    parser.add_argument("--output", type=Path, help="PNG file; else <image>.explained.png here")


def run(args: argparse.Namespace) -> int:
    from audit.errors import AuditError
    from audit.progress import Progress
    from audit.stages.explain_image import Asked, explain_image, image_config

    if not 1 <= args.top_k <= 100:
        raise AuditError("out of range", where="--top-k", expected="1 to 100", received=args.top_k)
    output = args.output or Path(f"{args.image.stem}.explained.png")
    config = image_config(args.model, _settings(args))
    explain_image(
        config, args.image, Asked(args.classes, args.top_k), output, Progress("explain-image")
    )
    print(output)
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Sections of a config from what was given on the command line."""
    model = {
        "preprocess": args.preprocess,
        "labels": args.labels and str(args.labels.resolve()),
        "resize": args.resize and {"mode": args.resize},
        "input_size": args.input_size,
        "trust_code": args.trust_code or None,
    }
    explain = {"method": args.methods, "layer": args.layers, "score": args.score}
    sections = {"model": model, "explain": explain}
    return {
        name: {key: value for key, value in section.items() if value is not None}
        for name, section in sections.items()
    }
