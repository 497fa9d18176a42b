"""The tables of a finished run, as the report reads them: numbers as numbers, names as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from audit.models.labels import OVERALL
from audit.report.page import figure, interval
from audit.report.words import ORDER
from audit.tables.cells import read_rows

Row = dict[str, Any]
# What stays text whatever it looks like: a class may be called 01, or NA.
TEXTS = frozenset(
    {
        "class", "method", "layer", "verdict", "confirmation", "reason", "verdict_changes_with",
        "heatmap_verdict", "confirmation_reason", "fitness", "by", "stratum", "setting", "fill",
        "kind", "state", "file_name", "target_class", "picture", "note", "where", "detail",
        "class_name", "level", "grid", "method_a", "layer_a", "method_b", "layer_b", "up_to",
        "overlay", "main_reason",
    }
)  # fmt: skip
TRUTH = {"True": True, "False": False}


def typed_rows(path: Path, classes: Set[str] | None = None) -> list[Row]:
    """Rows of a table, of these classes or all: text, float, bool, or None for what was not observed."""
    return [
        {name: typed(name, cell) for name, cell in row.items()}
        for row in read_rows(path)
        if classes is None or row["class"] in classes
    ]


def typed(column: str, cell: str) -> Any:
    """A cell's value."""
    if column in TEXTS:
        return cell
    if cell in ("", *TRUTH):
        return TRUTH.get(cell)
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if math.isfinite(value) else None


def of_pair(rows: Sequence[Row], pair: tuple[str, str]) -> list[Row]:
    """The rows of one method and layer."""
    return [row for row in rows if (row["method"], row["layer"]) == pair]


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Classes, the most urgent first: by verdict, confirmed ones first, then by rate."""
    classes = [row for row in rows if row["class"] != OVERALL]
    states = ("confirmed", "mixed", "heatmap_only", "not_run", "refuted")

    def urgency(row: Row) -> tuple[Any, ...]:
        state = row["confirmation"] or "not_run"
        rate = row["background_focused_rate"]
        return (
            ORDER.index(row["verdict"]), states.index(state), -1 if rate is None else -rate,
            row["class"],
        )  # fmt: skip

    return sorted(classes, key=urgency)


def whole(row: Mapping[str, Any], name: str) -> int | None:
    """A count."""
    return None if row.get(name) is None else int(row[name])


def limits(row: Mapping[str, Any], name: str) -> str:
    """``.12 (.10 to .15)``, or a dash."""
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    within = "" if low is None or high is None else f" ({interval(low, high)})"
    return figure(value) + within
