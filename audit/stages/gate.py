"""The gate: ``verdict.json`` from the tables of a run, and what it says on a given day.

Nothing here loads NumPy or pandas: ``focus-audit gate`` answers at once.
"""

from __future__ import annotations

import csv
import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.config.gate import GateSection
from audit.config.load import load_policy
from audit.config.model import Config
from audit.digest import digest_file
from audit.errors import AuditError, nearest, one_line
from audit.gate import (
    VERDICT_VERSION,
    Report,
    Row,
    Setting,
    Verdict,
    differences,
    evaluate,
    junit,
    verdict_of,
)
from audit.gate.figures import REQUIRED
from audit.models.labels import OVERALL
from audit.progress import Progress
from audit.stages.form import Provenance, Summary, check_form, check_rows
from audit.stages.layout import Layout
from audit.tables.atomic import write_bytes, write_json
from audit.tables.cells import read_rows
from audit.tables.json_file import read_json
from audit.tables.version import SCHEMA_VERSION

# What a verdict rests on.
TABLES = ("per_class.csv", "summary.json")
# Reasons and remarks that the terminal is told; verdict.json has them all.
TOLD = 10
AGAIN = "run `focus-audit run CONFIG` again"


@dataclass(frozen=True)
class Results:
    """What the gate reads of a run."""

    root: Path
    rows: tuple[Row, ...]
    summary: dict[str, Any]
    provenance: dict[str, Any]
    tables: dict[str, str]

    @classmethod
    def read(cls, root: Path) -> Results:
        """The tables of a finished run, as it wrote them.

        Raises
        ------
        AuditError: one is missing, of another version, or was changed since.
        """
        summary, provenance = (
            read_json(root / n, AGAIN) for n in ("summary.json", "provenance.json")
        )
        for name, values in (("summary.json", summary), ("provenance.json", provenance)):
            _check_version(root / name, values, SCHEMA_VERSION)
        check_form(Summary, summary, str(root / "summary.json"), AGAIN)
        check_form(Provenance, provenance, str(root / "provenance.json"), AGAIN)
        listed = provenance["hashes"]["tables"]
        _check_unchanged(root, listed, "the run")
        tables = {name: listed[name] for name in TABLES}
        return cls(root, _rows(root / "per_class.csv"), summary, provenance, tables)

    def table(self, name: str) -> Path:
        """Path of another table of the run.

        Raises
        ------
        AuditError: it is missing, or not the one that the run wrote.
        """
        _check_table(self.root, name, self.provenance["hashes"]["tables"], "the run")
        return self.root / name

    def pair(self, method: str | None, layer: str | None) -> tuple[str, str] | None:
        """The first method and layer of the run that are those asked for."""
        for told in self.summary["methods"]:
            if method in (None, told["method"]) and layer in (None, told["layer"]):
                return told["method"], told["layer"]
        return None

    def pair_asked(self, method: str | None, layer: str | None, what: str) -> tuple[str, str]:
        """:meth:`pair`, where it has to be there; ``what`` begins the sentence on one that is not.

        Raises
        ------
        AuditError: the run has no such method or layer.
        """
        pair = self.pair(method, layer)
        if pair is None:
            known = ", ".join(f"{m['method']} at {m['layer']}" for m in self.summary["methods"])
            asked = [f"{k} {v!r}" for k, v in (("method", method), ("layer", layer)) if v]
            raise AuditError(
                f"{what} has no {' and '.join(asked)}", where=str(self.root), hint=f"it has {known}"
            )
        return pair

    def report(self, pair: tuple[str, str]) -> Report:
        """The rows of one method and layer."""
        rows = [row for row in self.rows if (row["method"], row["layer"]) == pair]
        if not any(row["class"] == OVERALL for row in rows):
            where = str(self.root / "per_class.csv")
            raise AuditError(f"has no row over all classes of {pair[0]}", where=where, hint=AGAIN)
        counts = self.summary["counts"]
        return Report(
            method=pair[0],
            layer=pair[1],
            overall=next(row for row in rows if row["class"] == OVERALL),
            classes=tuple(row for row in rows if row["class"] != OVERALL),
            images_in=counts["images_in"],
            images_excluded=counts["images_excluded"],
        )

    def setting(self, report: Report) -> Setting:
        """What the figures of a report depend on."""
        names = tuple(row["class"] for row in report.classes)
        config, hashes = self.provenance["config"], self.provenance["hashes"]
        return Setting.of((report.method, report.layer), names, config, hashes)


def run_verdict(config: Config, layout: Layout, progress: Progress) -> None:
    """Write ``verdict.json`` for today."""
    verdict = judge(layout.root, config.gate, today())
    write_json(layout.verdict, verdict.values())
    progress.say(headline(verdict))


def gate(root: Path, day: datetime.date, policy_file: Path | None = None) -> Verdict:
    """The verdict on a run's results as it stands on ``day``; of another policy where one is given.

    Raises
    ------
    AuditError: there is no verdict, it is of another version, or a table was changed since.
    """
    if not root.is_dir():
        raise AuditError("is no results folder", where=str(root), expected="reports/NAME")
    if policy_file is not None:
        return judge(root, load_policy(policy_file), day)
    return stored_verdict(root).on(day)


def stored_verdict(root: Path) -> Verdict:
    """The verdict that the run wrote, as it stood on its day.

    Raises
    ------
    AuditError: there is none, it is of another version, or a table was changed since.
    """
    values = read_json(Layout(root).verdict, AGAIN)
    _check_version(Layout(root).verdict, values, VERDICT_VERSION)
    try:
        verdict = Verdict.read(values)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AuditError("is no verdict", where=str(Layout(root).verdict), hint=AGAIN) from None
    _check_unchanged(root, verdict.tables, "the verdict")
    return verdict


def judge(root: Path, policy: GateSection, day: datetime.date) -> Verdict:
    """A policy held against a run's tables.

    Raises
    ------
    AuditError: the run has no such method, layer or class; or the baseline cannot be compared.
    """
    results = Results.read(root)
    pair = results.pair_asked(policy.method, policy.layer, "gate: the run")
    report = results.report(pair)
    _check_classes(policy, report, root)
    before, told = _baseline(policy, results, report)
    return verdict_of(
        results.summary["name"], pair, policy, evaluate(policy, report, before), day,
        results.tables, results.summary["warnings"], told,
    )  # fmt: skip


def headline(verdict: Verdict) -> str:
    """The result in one line."""
    counts = verdict.counts()
    failing = sum(check.fails for check in verdict.checks)
    told = f"{failing} of {counts['checks']} checks fail" if failing else "no check fails"
    waived = f", {counts['waived']} waived" if counts["waived"] else ""
    return f"{'pass' if verdict.passes else 'FAIL'}: {told}{waived}"


def told(verdict: Verdict) -> list[str]:
    """The result and why, in a few lines for the terminal."""
    why = [*verdict.reasons, *(f"note: {text}" for text in verdict.remarks)]
    lines = [f"Gate {headline(verdict)}", *(f"  {one_line(text)}" for text in why[:TOLD])]
    if len(why) > TOLD:
        lines.append(f"  and {len(why) - TOLD} more in verdict.json")
    return lines


def write_junit(verdict: Verdict, path: Path) -> None:
    """The verdict as JUnit XML."""
    write_bytes(path, junit(verdict))


def today() -> datetime.date:
    """The day in UTC, which is the same for all who ask."""
    return datetime.datetime.now(datetime.UTC).date()


def _baseline(
    policy: GateSection, results: Results, report: Report
) -> tuple[Report | None, dict[str, Any] | None]:
    """The earlier run's rows, and what the verdict says of it."""
    if policy.baseline is None:
        return None, None
    if Path(policy.baseline).resolve() == results.root.resolve():
        raise AuditError("gate.baseline is this run's own results folder", where=policy.baseline)
    old = Results.read(Path(policy.baseline))
    pair = (
        old.pair(report.method, report.layer)
        or old.pair(report.method, None)
        or old.pair(None, None)
    )
    before = old.report(pair)
    found = differences(results.setting(report), old.setting(before))
    if found and policy.baseline_differences == "refuse":
        raise AuditError(
            f"cannot be compared with this run: {'; '.join(found)}", where=policy.baseline,
            hint="set gate.baseline_differences: report to compare them all the same",
        )  # fmt: skip
    return before, {
        "results": policy.baseline,
        "method": before.method,
        "layer": before.layer,
        "differences": found,
        "tables": old.tables,
    }


def _check_classes(policy: GateSection, report: Report, root: Path) -> None:
    """A policy for a class that is not there would hold in silence."""
    names = [row["class"] for row in report.classes]
    for name in policy.by_class:
        if name not in names:
            raise AuditError(
                f"gate.by_class: the run has no class {name!r}", where=str(root),
                hint=nearest(name, names),
            )  # fmt: skip


def _check_version(path: Path, values: dict[str, Any], version: str) -> None:
    if values.get("schema_version") != version:
        raise AuditError(
            "was written by another version", where=str(path),
            expected=f"schema version {version}", received=values.get("schema_version"), hint=AGAIN,
        )  # fmt: skip


def _check_unchanged(root: Path, tables: dict[str, str], since: str) -> None:
    for name in TABLES:
        _check_table(root, name, tables, since)


def _check_table(root: Path, name: str, tables: dict[str, str], since: str) -> None:
    path = root / name
    if not path.is_file():
        raise AuditError("is missing", where=str(path), hint=AGAIN)
    if digest_file(path) != tables.get(name):
        raise AuditError(f"was changed after {since}", where=str(path), hint=AGAIN)


def _rows(path: Path) -> tuple[Row, ...]:
    try:
        rows = tuple(read_rows(path))
    except (OSError, ValueError, csv.Error) as error:
        raise AuditError(f"cannot be read: {error}", where=str(path), hint=AGAIN) from None
    lacking = [name for name in REQUIRED if not rows or name not in rows[0]]
    if lacking:
        what = f"has no column {lacking[0]!r}" if rows else "has no row"
        raise AuditError(what, where=str(path), hint=AGAIN)
    check_rows(rows, str(path), AGAIN)
    return rows
