"""``ambiguity.csv``: why records do not count for a verdict, told apart class by class.

A small object, a picture of several classes or a wrong label is not the model looking at the
background: each is counted under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from audit.stages.columns import Columns
from audit.stages.eligibility import PHRASES, REASONS
from audit.stages.figures import select, together
from audit.stages.gather import Gathered

# A class's records are annotated ones.
TOLD = tuple(reason for reason in REASONS if reason != "not_annotated")
COLUMNS = ("class", "method", "layer", "n_records", "n_eligible", *TOLD, "main_reason")


def ambiguity_table(gathered: Gathered, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class, method and layer, and all classes together: records by what became of them.

    ``n_eligible`` and the reasons add up to ``n_records``.
    """
    rows = []
    for method, layer in gathered.pairs:
        selections = select(gathered.records, classes, method, layer)
        for selection in (*selections, together(selections)):
            records = gathered.columns.take(selection.rows)
            names = {"class": selection.name, "method": method, "layer": layer}
            rows.append({**names, **_counts(records)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def left_out(records: Columns) -> dict[str, int]:
    """Why records of a class do not count, in the words of a verdict's sentence; only what occurs."""
    return {PHRASES[name]: count for name, count in _by_reason(records).items() if count}


def _counts(records: Columns) -> dict[str, Any]:
    counts = _by_reason(records)
    most = max(counts, key=lambda name: counts[name])
    return {
        "n_records": len(records),
        "n_eligible": int(records.equals("eligible", True).sum()),
        **counts,
        "main_reason": most if counts[most] else None,
    }


def _by_reason(records: Columns) -> dict[str, int]:
    return {name: int(records.equals("ineligible_reason", name).sum()) for name in TOLD}
