"""The compliance tables of a finished run: what it is evidence for, clause by clause, and its model
card. They say nothing that the run's own files do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from audit.config.system import SystemSection
from audit.gate.figures import number
from audit.metrics import METRICS
from audit.report.compliance import Mapped, mapping
from audit.report.facts import NOT_STATED, Run
from audit.report.model_card import Section, markdown, model_card
from audit.report.page import render
from audit.stages.gate import Results, stored_verdict
from audit.stages.layout import Layout
from audit.stages.score import REQUIRED_METRICS
from audit.stages.sign_off import sign_off_state
from audit.tables.atomic import write_json, write_text
from audit.tables.csv import write_csv

# Raised when the meaning of a key of compliance.json changes.
COMPLIANCE_VERSION = "1"
# Columns of per_class.csv that are text.
TEXTS = ("class", "verdict", "confirmation", "fitness", "verdict_stable")
FIGURES = ("accuracy", "pointing_accuracy", "background_focused_rate")


@dataclass(frozen=True)
class Compliance:
    """What ``compliance.json`` holds."""

    name: str
    """Of the audit."""
    system: dict[str, str]
    """The config's section `system`, with "not stated" where it says nothing."""
    mapping: tuple[Mapped, ...]
    model_card: tuple[Section, ...]

    def values(self) -> dict[str, Any]:
        """For ``compliance.json``."""
        return {
            "schema_version": COMPLIANCE_VERSION,
            "name": self.name,
            "system": self.system,
            "mapping": [{**asdict(row), "evidence": list(row.evidence)} for row in self.mapping],
            "model_card": [
                {"title": part.title, "rows": [{"field": f, "text": t} for f, t in part.rows]}
                for part in self.model_card
            ],
        }  # fmt: skip


def compliance(root: Path) -> Compliance:
    """The compliance tables of the results in ``root``; nothing is written.

    Raises
    ------
    AuditError: a table is missing, of another version, or was changed since the run.
    """
    run = read_run(root)
    fields = {name: run.stated(name) for name in SystemSection.model_fields}
    return Compliance(run.summary["name"], fields, tuple(mapping(run)), tuple(model_card(run)))


def write_compliance(root: Path, told: Compliance) -> None:
    """Write ``compliance.json``, ``compliance.csv`` and ``model_card.md`` into the results folder."""
    rows = [{**asdict(row), "evidence": "; ".join(row.evidence)} for row in told.mapping]
    write_json(root / "compliance.json", told.values())
    write_csv(root / "compliance.csv", pd.DataFrame(rows))
    title = told.system["name"] if told.system["name"] != NOT_STATED else told.name
    write_text(root / "model_card.md", markdown(title, told.model_card))


def compliance_part(told: Compliance) -> Markup:
    """The same as a part of the report's page, its text escaped."""
    values = told.values()
    frameworks = groupby(values["mapping"], key=itemgetter("framework"))
    return Markup(
        render(
            "compliance.html.j2",
            frameworks=[(name, list(rows)) for name, rows in frameworks],
            model_card=values["model_card"],
        )
    )


def read_run(root: Path) -> Run:
    """What is known of a finished run, its tables as the run wrote them."""
    results = Results.read(root)
    report = results.report(results.pair(None, None))
    verdict = stored_verdict(root).values() if Layout(root).verdict.exists() else None
    return Run(
        summary=results.summary,
        provenance=results.provenance,
        overall=_row(report.overall),
        classes=tuple(_row(row) for row in report.classes),
        verdict=verdict,
        sign_off=sign_off_state(root).sentence(),
        metrics=_metrics(results.provenance["config"]["metrics"]),
    )


def _metrics(asked: list[str] | str | None) -> list[str]:
    """Names of the metrics that a config asks for, and of those that every run takes."""
    if not isinstance(asked, list):
        asked = [name for name in METRICS.names() if asked == "all" or METRICS.get(name).default]
    return list(dict.fromkeys((*REQUIRED_METRICS, *asked)))


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    """Texts as they are, figures with their limits as numbers."""
    names = [f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high")]
    return {name: row.get(name, "") for name in TEXTS} | {n: number(row, n) for n in names}
