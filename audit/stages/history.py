"""``record`` and ``history``: finished runs in one file, and what became of each class over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from audit.config.model import Config
from audit.digest import digest_file, digest_json
from audit.errors import AuditError, nearest, one_line
from audit.gate.figures import number
from audit.models.labels import OVERALL
from audit.progress import Progress
from audit.stages.gate import Results, stored_verdict
from audit.stages.layout import TABLES, Layout
from audit.tables.atomic import write_json
from audit.tables.history import CLASS_COLUMNS, MEASURED, RUN_COLUMNS, add_run, read_runs

Row = dict[str, Any]
# Columns of the table that a person is shown.
HEAD = ("finished (UTC)", "model", "pointing", "", "background", "", "energy skill", "verdict", "")


@dataclass(frozen=True)
class Series:
    """One class of one audit by one method, the oldest run first."""

    name: str
    class_name: str
    method: str
    rows: list[Row]

    @property
    def title(self) -> str:
        told = "all classes" if self.class_name == OVERALL else self.class_name
        return f"{self.name}: {told}, {self.method}"

    def verdicts(self) -> list[str]:
        """The class's verdict in each run; of all classes, what the gate said."""
        column = "result" if self.class_name == OVERALL else "verdict"
        return [row[column] or "" for row in self.rows]

    def changes(self) -> list[str]:
        """``pass -> flagged`` where the verdict is another than in the run before, else empty."""
        told = self.verdicts()
        pairs = zip(told, told[1:], strict=False)
        return ["", *(f"{a or '-'} -> {b or '-'}" if a != b else "" for a, b in pairs)][: len(told)]


def run_record(config: Config, layout: Layout, progress: Progress) -> None:
    """Add a finished run to ``history.file``, once, and write where it went.

    Raises
    ------
    AuditError: no file is configured, the run is not finished, or the file cannot take it.
    """
    if config.history.file is None:
        raise AuditError("is not set", where="history.file", expected="the path of an SQLite file")
    path = Path(config.history.file)
    run, rows = entry(layout.root)
    added = add_run(path, run, rows)
    write_json(layout.recorded, {"file": str(path), "name": run["name"], "key": run["key"]})
    progress.say("added to the history" if added else "is in the history already")


def entry(root: Path) -> tuple[Row, list[Row]]:
    """What a finished run leaves in a history: the run, and a row a class, method and layer."""
    results = Results.read(root)
    told, hashes = results.provenance, results.provenance["hashes"]
    source = (told.get("git") or {}).get("package") or {}
    # Not methods.csv: the seconds in it are others each time.
    tables = {name: digest_file(results.table(name)) for name in TABLES}
    run = {
        "key": digest_json([results.summary["name"], tables]),
        "name": results.summary["name"],
        "finished": told["finished"],
        "model_digest": "+".join(sorted(hashes["model"].values())),
        "data_digest": digest_json([hashes["images"], sorted(hashes["annotations"].values())]),
        "config_digest": digest_json(told["config"]),
        "package_version": told["focus_audit"],
        "git_commit": source.get("commit"),
        "result": "pass" if stored_verdict(root).passes else "fail",
    }
    places = {(m["method"], m["layer"]): k for k, m in enumerate(results.summary["methods"])}
    return run, [_class_row(row, places) for row in results.rows]


def series(
    path: Path,
    *,
    name: str | None = None,
    class_name: str | None = None,
    method: str | None = None,
    last: int | None = None,
) -> list[Series]:
    """The trends in a history, by audit and class, all classes first.

    ``method``: the first of each run where None; where a run has several layers of it, the first.
    ``last``: the newest runs of each audit only.

    Raises
    ------
    AuditError: no such history, or it has no such audit, class or method.
    """
    rows = read_runs(path)
    for column, asked in (("name", name), ("class", class_name)):
        rows = _chosen(rows, column, asked, path)
    rows = _chosen(rows, "method", method, path)
    first: dict[str, int] = {}
    for row in rows:
        first[row["key"]] = min(row["place"], first.get(row["key"], row["place"]))
    rows = [row for row in rows if row["place"] == first[row["key"]]]
    found = []
    for key, group in _grouped(rows, lambda row: (row["name"], row["class"], row["method"])):
        found.append(Series(*key, rows=group[-last:] if last else group))
    return sorted(found, key=lambda s: (s.name, s.class_name != OVERALL, s.class_name, s.method))


def lines(trends: Sequence[Series]) -> list[str]:
    """A table for each trend."""
    told = []
    for trend in trends:
        rows = [HEAD, *_cells(trend)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
        told += ["", one_line(trend.title)]
        told += [
            one_line("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip())
            for r in rows
        ]
    return told[1:] or ["No run is in the history yet."]


def trend_rows(trends: Sequence[Series]) -> list[Row]:
    """The rows of all trends, with ``verdict_change``."""
    columns = [c for c in (*RUN_COLUMNS, *CLASS_COLUMNS) if c != "place"]
    return [
        {**{c: row[c] for c in columns}, "verdict_change": change}
        for trend in trends
        for row, change in zip(trend.rows, trend.changes(), strict=True)
    ]


def _class_row(row: Any, places: dict[tuple[str, str], int]) -> Row:
    whole = {name: int(row[name]) for name in ("n_images", "n_scored", "n_eligible")}
    texts = {name: row[name] for name in ("class", "method", "layer")}
    verdicts = {name: row[name] or None for name in ("verdict", "confirmation")}
    measured = {name: number(row, name) for name in MEASURED}
    return {**texts, "place": places[row["method"], row["layer"]], **whole, **measured, **verdicts}


def _chosen(rows: list[Row], column: str, asked: str | None, path: Path) -> list[Row]:
    if asked is None:
        return rows
    chosen = [row for row in rows if row[column] == asked]
    if not chosen:
        what = {"name": "audit"}.get(column, column)
        raise AuditError(
            f"has no {what} {asked!r}",
            where=str(path),
            hint=nearest(asked, {r[column] for r in rows}),
        )
    return chosen


def _grouped(rows: list[Row], key: Callable[[Row], Any]) -> Iterator[tuple[Any, list[Row]]]:
    """Rows of one key together, in the order in which they came."""
    for value, group in groupby(sorted(rows, key=key), key=key):
        yield value, list(group)


def _cells(trend: Series) -> list[tuple[str, ...]]:
    return [
        (
            row["finished"][:16].replace("T", " "),
            row["model_digest"][:8],
            *_with_limits(row, "pointing_accuracy"),
            *_with_limits(row, "background_focused_rate"),
            _figure(row["energy_skill"]),
            verdict,
            f"! {change}" if change else "",
        )
        for row, verdict, change in zip(trend.rows, trend.verdicts(), trend.changes(), strict=True)
    ]


def _with_limits(row: Row, name: str) -> tuple[str, str]:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    limits = "" if low is None or high is None else f"({low:.2f} to {high:.2f})"
    return _figure(row[name]), limits


def _figure(value: float | None) -> str:
    """A dash where it was not observed."""
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # never -0.00
