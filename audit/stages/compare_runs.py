"""``compare``: two finished runs, record by record: did the model's focus really change?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from audit.errors import AuditError
from audit.gate import Report, differences
from audit.stages.compare_pairs import COLUMNS, RunRecords, changed_records, pair_records
from audit.stages.compare_rows import class_rows
from audit.stages.figures import json_value
from audit.stages.gate import AGAIN, TABLES, Results
from audit.stages.layout import Layout
from audit.statistics import ChangeRule, rule_sentence
from audit.tables.cells import read_rows
from audit.tables.parquet import read_table

# Raised when the meaning of a key changes.
COMPARISON_VERSION = "1"
RULE = ChangeRule()
# Tables of a run that a comparison rests on.
READ = (*TABLES, "predictions.parquet", "excluded.csv")


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs."""

    old: dict[str, Any]
    """Folder, name, method and layer of a run, its model and its tables."""
    new: dict[str, Any]
    differences: list[str]
    """What the two runs differ in and should not; empty where they were made alike."""
    notes: list[str]
    """What they may differ in, and a reader should know."""
    rows: list[dict[str, Any]]
    """Rows of ``comparison.csv``, that over all classes last."""
    changed: pd.DataFrame = field(repr=False)
    """Rows of ``changed.csv``."""
    left_out: pd.DataFrame = field(repr=False)
    """Rows of ``left_out.csv``."""

    @property
    def classes(self) -> list[dict[str, Any]]:
        """The rows of the classes."""
        return self.rows[:-1]

    @property
    def overall(self) -> dict[str, Any]:
        """The row over all classes."""
        return self.rows[-1]

    def of_state(self, state: str) -> list[str]:
        """The classes of a state."""
        return [row["class"] for row in self.classes if row["state"] == state]

    @property
    def is_worse(self) -> bool:
        return bool(self.of_state("worse"))

    def values(self) -> dict[str, Any]:
        """For ``comparison.json``."""
        reasons = Counter(self.left_out["reason"])
        rows = [{key: json_value(value) for key, value in row.items()} for row in self.rows]
        return {
            "schema_version": COMPARISON_VERSION,
            "result": "worse" if self.is_worse else "not_worse",
            "old": self.old,
            "new": self.new,
            "differences": self.differences,
            "notes": self.notes,
            "rule": {"alpha": RULE.alpha, "min_pairs": RULE.min_pairs, "told": rule_sentence(RULE)},
            "counts": {
                "records": self.overall["n_records"],
                "pairs": self.overall["n_pairs"],
                "counted": self.overall["n_counted"],
                "left_out": dict(sorted(reasons.items())),
                "changed": len(self.changed),
            },
            "classes": rows[:-1],
            "overall": rows[-1],
        }


def compare_runs(
    old: Path,
    new: Path,
    *,
    method: str | None = None,
    layer: str | None = None,
    despite_differences: bool = False,
) -> Comparison:
    """Compare two results folders on the records of one method at one layer.

    ``method``: the first of the new run where None; ``layer``: the method's first, whose name may
    differ between the models.

    Raises
    ------
    AuditError: a folder holds no finished run, or tables that were changed; the runs differ in data,
        method or settings, unless ``despite_differences``.
    """
    runs = {"old": Results.read(old), "new": Results.read(new)}
    reports = _reports(runs, method, layer)
    found, notes = _differences(runs, reports, layer)
    if found and not despite_differences:
        raise AuditError(
            f"cannot be compared with {new}: {'; '.join(found)}", where=str(old),
            hint="compare them all the same with --despite-differences",
        )  # fmt: skip
    swapped, told = _other_content(runs)
    records = {name: _records(runs[name], reports[name]) for name in runs}
    paired = pair_records(records["old"], records["new"], swapped)
    verdicts = {
        name: {row["class"]: row for row in report.classes} for name, report in reports.items()
    }
    names = sorted({*verdicts["old"], *verdicts["new"]})
    seed = runs["new"].provenance["config"]["audit"]["seed"]
    return Comparison(
        **{name: _told(runs[name], reports[name]) for name in runs},
        differences=[*found, *told],
        notes=notes,
        rows=class_rows(paired, names, verdicts, seed, RULE),
        changed=changed_records(paired.pairs),
        left_out=paired.left_out,
    )


def _reports(runs: dict[str, Results], method: str | None, layer: str | None) -> dict[str, Report]:
    """The method and layer of each run that are compared."""
    now, then = runs["new"], runs["old"]
    pair = now.pair_asked(method, layer, "the run")
    before = then.pair(pair[0], layer) or then.pair(pair[0], None) or then.pair(None, None)
    return {"old": then.report(before), "new": now.report(pair)}


def _differences(
    runs: dict[str, Results], reports: dict[str, Report], layer: str | None
) -> tuple[list[str], list[str]]:
    """What forbids a comparison, and what a reader should know."""
    now, then = (runs[name].setting(reports[name]) for name in ("new", "old"))
    notes = []
    if layer is None and now.method == then.method and now.layer != then.layer:
        notes.append(f"layer: {then.layer} then, {now.layer} now, the method's first in each run")
        then = replace(then, layer=now.layer)
    after, before = runs["new"].provenance, runs["old"].provenance
    if _model(before) == _model(after):
        notes.append("both runs are of the same model file")
    if before["config"]["model"]["preprocess"] != after["config"]["model"]["preprocess"]:
        notes.append("model.preprocess differs")
    if before["hashes"].get("package_source") != after["hashes"].get("package_source"):
        notes.append("the runs were made by other versions of focus-audit's source")
    for name, run in (("then", reports["old"]), ("now", reports["new"])):
        if any(row["fitness"] == "unfit" for row in run.classes):
            notes.append(f"{run.method} was shown unfit to judge by {name}: its maps say little")
    return differences(now, then), notes


def _model(provenance: dict[str, Any]) -> list[str]:
    return sorted((provenance["hashes"].get("model") or {}).values())


def _other_content(runs: dict[str, Results]) -> tuple[set[str], list[str]]:
    """Images of one name and other bytes, and what is said of them."""
    if len({run.provenance["hashes"]["images"] for run in runs.values()}) == 1:
        return set(), []
    old, new = (_digests(run) for run in (runs["old"], runs["new"]))
    if old is None or new is None:
        return set(), ["which images differ is not known without stages/index: paired by name"]
    names = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    return names, [f"images of the same name with other content: {len(names)}"] if names else []


def _digests(run: Results) -> dict[str, str] | None:
    """File name -> SHA-256 of the indexed images; None where the index is not there."""
    paths = [Layout(run.root).index(shard["name"]) for shard in run.provenance["shards"]]
    if not all(path.is_file() for path in paths):
        return None
    tables = [read_table(path, ["file_name", "sha256"]).to_pydict() for path in paths]
    return {n: d for t in tables for n, d in zip(t["file_name"], t["sha256"], strict=True)}


def _records(run: Results, report: Report) -> RunRecords:
    """The annotated records of a run by one method at one layer, and the images it left out."""
    path = run.table("predictions.parquet")
    table = read_table(path, COLUMNS)
    lacking = [name for name in COLUMNS if name not in table.column_names]
    if lacking:
        raise AuditError(f"has no column {lacking[0]!r}", where=str(path), hint=AGAIN)
    frame = table.to_pandas()
    chosen = frame["reference"] == "class"
    chosen &= (frame["method"] == report.method) & (frame["layer"] == report.layer)
    excluded = read_rows(run.table("excluded.csv"))
    images = {row["file_name"]: row["reason"] for row in excluded if row["kind"] == "image"}
    return RunRecords(frame[chosen].reset_index(drop=True), images)


def _told(run: Results, report: Report) -> dict[str, Any]:
    values, listed = run.provenance, run.provenance["hashes"]["tables"]
    return {
        "results": str(run.root),
        "name": run.summary["name"],
        "method": report.method,
        "layer": report.layer,
        "finished": values.get("finished"),
        "model": values["hashes"].get("model"),
        "tables": {name: listed[name] for name in READ},
    }
