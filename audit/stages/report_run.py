"""A finished run, as the report reads it: its tables checked against the hashes that it recorded."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from audit.config.load import read_resolved
from audit.config.model import Config
from audit.errors import AuditError
from audit.gate import Verdict
from audit.stages.gate import AGAIN, Results, gate, today
from audit.stages.layout import Layout
from audit.stages.report_tables import Row, of_pair, ranked, typed_rows
from audit.stages.score import KEYS
from audit.tables.json_file import read_json
from audit.tables.parquet import read_table

# Of predictions.parquet: what pictures and histograms need.
COLUMNS = (
    *KEYS, "reference", "status", "eligible", "ineligible_reason", "background_focused",
    "energy_skill", "energy_in_box", "area_fraction", "mask_iou", "pointing_hit", "point_x", "point_y",
    "correct", "predicted_class", "predicted_score", "target_probability", "duplicate_of",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A finished run, its tables checked against the hashes that it recorded."""

    layout: Layout
    config: Config
    results: Results
    verdict: Verdict

    @classmethod
    def read(cls, root: Path) -> Run:
        """The run in a results folder.

        Raises
        ------
        AuditError: it is none, it has not finished, or a table was changed since.
        """
        verdict = gate(root, today())
        results = Results.read(root)
        layout = Layout(root)
        if not layout.config.is_file():
            raise AuditError("has no stages/config.json", where=str(root), hint=AGAIN)
        return cls(layout, read_resolved(layout.config), results, verdict)

    @property
    def pair(self) -> tuple[str, str]:
        """The method and layer that the verdict rests on."""
        return self.verdict.method, self.verdict.layer

    @cached_property
    def classes(self) -> list[Row]:
        """Rows of ``per_class.csv`` of that pair, the most urgent first."""
        return ranked(of_pair(self.table("per_class.csv"), self.pair))

    @cached_property
    def records(self) -> pd.DataFrame:
        """That pair's records."""
        table = read_table(self.results.table("predictions.parquet"), COLUMNS).to_pandas()
        chosen = (table["method"] == self.pair[0]) & (table["layer"] == self.pair[1])
        return table[chosen].reset_index(drop=True)

    def table(self, name: str, classes: Set[str] | None = None) -> list[Row]:
        """A table's rows, of these classes where they are named; none where the run did not write it."""
        hashed = name in self.results.provenance["hashes"]["tables"]
        path = self.results.table(name) if hashed else self.layout.root / name
        return typed_rows(path, classes) if path.is_file() else []

    def json(self, path: Path) -> dict[str, Any]:
        """A file of the run; empty where it is not there."""
        return read_json(path, AGAIN) if path.is_file() else {}
