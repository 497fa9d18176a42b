"""What ``compare`` writes, and what it says on the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from audit.errors import AuditError, one_line
from audit.report.page import render
from audit.report.words import SIGNS
from audit.stages.compare_pairs import REASONS
from audit.stages.compare_runs import RULE, Comparison
from audit.tables.atomic import write_json, write_text
from audit.tables.csv import write_csv

# Changed records that the page shows; changed.csv has them all.
SHOWN = 200
# Names of classes without a change that the terminal is told.
TOLD = 10
# Letters and signs that mean nothing to a file system.
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
MAX_NAME = 100
STATES = ("worse", "better", "no_change_shown", "not_comparable")


def output_folders(old: Path, news: list[Path], out: Path | None) -> list[Path]:
    """Where each comparison with ``old`` goes: ``out``, or a folder inside the newer run.

    Raises
    ------
    AuditError: with ``out``, two of several runs have one name.
    """
    if out is None:
        return [new / "compare" / folder_name(old) for new in news]
    if len(news) == 1:
        return [out]
    folders = [out / folder_name(new) for new in news]
    if len(set(folders)) < len(folders):
        names = ", ".join(folder.name for folder in folders)
        raise AuditError(
            "two of the runs have one name", where="--out", received=names,
            hint="compare them one by one",
        )  # fmt: skip
    return folders


def folder_name(results: Path) -> str:
    """The name of a results folder as one plain part of a path."""
    name = UNSAFE.sub("_", results.resolve().name).lstrip(".")[:MAX_NAME]
    return name or "run"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write ``comparison.csv``, ``changed.csv``, ``left_out.csv``, ``comparison.json`` and the page."""
    values = comparison.values()
    write_csv(folder / "comparison.csv", pd.DataFrame(comparison.rows))
    write_csv(folder / "changed.csv", comparison.changed)
    write_csv(folder / "left_out.csv", comparison.left_out)
    write_json(folder / "comparison.json", values)
    shown = comparison.changed.head(SHOWN).astype(object)
    records = shown.where(shown.notna(), None).to_dict("records")
    page = render(
        "compare.html.j2", found=values, changed=records, reasons=REASONS, signs=SIGNS,
        by_state={state: comparison.of_state(state) for state in STATES},
    )  # fmt: skip
    write_text(folder / "comparison.html", page)


def told(comparison: Comparison) -> list[str]:
    """What came out, a line each: classes that changed first."""
    lines = [
        f"{comparison.old['name']} ({comparison.old['results']}) and then "
        f"{comparison.new['name']} ({comparison.new['results']}), "
        f"{comparison.new['method']} at {comparison.new['layer']}:"
    ]
    lines += [f"  differs: {text}" for text in comparison.differences]
    lines += [f"  note: {text}" for text in comparison.notes]
    shown = [row for row in comparison.classes if _is_notable(row)]
    for row in sorted(shown, key=lambda row: STATES.index(row["state"])):
        lines.append(f"  {row['class']}: {row['state'].replace('_', ' ')}. {row['sentence']}")
    for state in STATES:
        names = [r["class"] for r in comparison.classes if r["state"] == state and r not in shown]
        if names:
            more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
            lines.append(f"  {state.replace('_', ' ')}: {', '.join(names[:TOLD])}{more}")
    lines.append(f"  all classes: {comparison.overall['sentence']}")
    counted, total = (comparison.overall[key] for key in ("n_counted", "n_records"))
    lines.append(f"  {counted} of {total} records compared; the others are in left_out.csv.")
    return [one_line(line) for line in lines]


def _is_notable(row: dict[str, Any]) -> bool:
    """Whether a class has a line of its own: its focus or its answers changed by more than chance."""
    return row["state"] in ("worse", "better") or row["correct_q"] < RULE.alpha
