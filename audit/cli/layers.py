"""``layers MODEL``: the layers that an explanation can look at."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model file: .keras, .h5 or .hdf5")
    parser.add_argument(
        "--input-size", nargs=2, type=int, metavar=("H", "W"), help="for open inputs"
    )
    parser.add_argument("--trust-code", action="store_true", help="let code in the model file run")


def run(args: argparse.Namespace) -> int:
    from audit.errors import one_line
    from audit.stages.layers import list_layers

    rows = list_layers(args.model, args.input_size, args.trust_code)
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        print(one_line("  ".join(cells).rstrip()))
    return 0
