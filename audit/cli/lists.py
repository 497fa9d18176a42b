"""``methods``, ``metrics``, ``formats``, ``fills``: what there is, one line each."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", action="store_true", help="names only")


def run(args: argparse.Namespace) -> int:
    lists = {"methods": _methods, "metrics": _metrics, "formats": _formats, "fills": _fills}
    entries = lists[args.verb]()
    width = max(len(name) for name, _ in entries)
    for name, text in entries:
        if not args.names:
            print(f"{name:<{width}}  {text}")
        elif name:
            print(name)
    return 0


def _methods() -> list[tuple[str, str]]:
    from audit.explain import METHODS

    rows = []
    for name, m in METHODS.items():
        rows.append((name, f"{m.summary} ({m.source})"))
        defaults = m.defaults()
        rows += [
            ("", f"  explain.options.{name}.{key}: {option.description} [{defaults[key]}]")
            for key, option in m.options.items()
        ]
    return rows


def _metrics() -> list[tuple[str, str]]:
    from audit.metrics import METRICS

    return [
        (name, f"{m.summary} ({m.citation}){'' if m.default else ' [not by default]'}")
        for name, m in METRICS.items()
    ]


def _fills() -> list[tuple[str, str]]:
    from audit.fills import FILLS

    return [(name, f"{f.kind}: {f.summary} ({f.source})") for name, f in FILLS.items()]


def _formats() -> list[tuple[str, str]]:
    from audit.annotations import FORMATS

    rows = []
    for name, entry in FORMATS.items():
        rows.append((name, f"{entry.summary} ({entry.spec})"))
        if entry.names:
            rows.append(("", f"  dataset.names: {entry.names}"))
        rows += [("", f"  dataset.columns.{key}: {text}") for key, text in entry.columns.items()]
        rows += [("", f"  dataset.options.{key}: {text}") for key, text in entry.options.items()]
    return rows
