"""The history of runs: one SQLite file that many runs, also at once, write their results into.

A run is written in one transaction: it is there whole, or not at all. Who comes second waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from audit.errors import AuditError

# Told to SQLite, so that a file of ours is known from any other ("FAud").
APPLICATION_ID = 0x46417564
# Raised when a column changes its meaning or goes.
VERSION = 1
# Seconds to wait for others that write; each takes milliseconds.
PATIENCE = 60.0

FIGURES = (
    "accuracy", "pointing_accuracy", "energy_skill", "mean_iou", "background_focused_rate",
)  # fmt: skip
MEASURED = tuple(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high"))
RUN_COLUMNS = (
    "key", "name", "finished", "model_digest", "data_digest", "config_digest",
    "package_version", "git_commit", "result",
)  # fmt: skip
CLASS_COLUMNS = (
    "class", "method", "layer", "place", "n_images", "n_scored", "n_eligible", *MEASURED,
    "verdict", "confirmation",
)  # fmt: skip
_WHOLE = ("place", "n_images", "n_scored", "n_eligible")
# What every row has; the rest may not have been observed.
_ALWAYS = ("key", "name", "finished", "model_digest", "class", "method", "layer", "place")
_TYPES = {**dict.fromkeys(MEASURED, "REAL"), **dict.fromkeys(_WHOLE, "INTEGER")}


def add_run(path: Path, run: Mapping[str, Any], classes: Sequence[Mapping[str, Any]]) -> bool:
    """Add a run and its rows; False where it is there already. The file is made where it is not.

    Parameters
    ----------
    run: :data:`RUN_COLUMNS`; ``key`` tells runs apart.
    classes: rows of :data:`CLASS_COLUMNS`, None for what was not observed.

    Raises
    ------
    AuditError: the file is not a history, is of another version, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditError(f"cannot be written: {error.strerror}", where=str(path)) from None
    with _opened(path, "rwc") as file, _transaction(file):
        if _is_new(path, file):
            _create(file)
        put = _insert("OR IGNORE", "runs", RUN_COLUMNS)
        added = file.execute(put, [run[name] for name in RUN_COLUMNS])
        if not added.rowcount:
            return False
        rows = ((added.lastrowid, *(row[name] for name in CLASS_COLUMNS)) for row in classes)
        file.executemany(_insert("", "classes", ("run", *CLASS_COLUMNS)), rows)
        return True


def check_history(path: Path) -> None:
    """Refuse what cannot take a run, before hours of work; a file that is not there can.

    Raises
    ------
    AuditError: as :func:`add_run`.
    """
    if path.exists():
        with _opened(path, "rw") as file:
            _is_new(path, file)


def read_runs(path: Path) -> list[dict[str, Any]]:
    """A row a run and class, method and layer, with the columns of both; the oldest run first.

    Raises
    ------
    AuditError: there is no such file, or as :func:`add_run`.
    """
    if not path.is_file():
        raise AuditError(
            "no such history", where=str(path), hint="history.file of a config names it"
        )
    columns = ", ".join(f'"{name}"' for name in (*RUN_COLUMNS, *CLASS_COLUMNS))
    with _opened(path, "rw") as file:
        if _is_new(path, file):
            return []
        file.row_factory = sqlite3.Row
        # What follows the time is for runs that ended in one second.
        rows = file.execute(
            f"SELECT {columns} FROM runs JOIN classes ON run = id "
            'ORDER BY finished, id, place, "class" = \'__all__\', "class"'
        )
        return [_checked(path, dict(row)) for row in rows]


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        uri = f"{path.resolve().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, PATIENCE, isolation_level=None, uri=True)) as file:
            yield file
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: text that is none
        raise AuditError(f"cannot be used as a history: {error}", where=str(path)) from None


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    """Takes the right to write at the start, so that no two read first and then wait for each other."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        file.execute("ROLLBACK")
        raise
    file.execute("COMMIT")


def _is_new(path: Path, file: sqlite3.Connection) -> bool:
    """Whether nothing is in the file yet.

    Raises
    ------
    AuditError: something is that is not ours.
    """
    (application,), (version,) = (
        file.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    # The statements that made it: a table of another shape, a view or a trigger runs code of its own.
    made = {sql for (sql,) in file.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if application == APPLICATION_ID:
        if version != VERSION:
            raise AuditError(
                "was written by another version", where=str(path),
                expected=f"history version {VERSION}", received=version,
            )  # fmt: skip
        if made != set(_statements()):
            raise AuditError("is a history that somebody has changed", where=str(path))
        return False
    if application or version or made:
        raise AuditError(
            "is another program's SQLite file",
            where=str(path),
            hint="name a new file for the history",
        )
    return True


def _create(file: sqlite3.Connection) -> None:
    for statement in _statements():
        file.execute(statement)
    file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    file.execute(f"PRAGMA user_version = {VERSION}")


def _statements() -> tuple[str, str]:
    runs = ", ".join(f'"{name}" TEXT' for name in RUN_COLUMNS)
    classes = ", ".join(f'"{name}" {_TYPES.get(name, "TEXT")}' for name in CLASS_COLUMNS)
    return (
        f"CREATE TABLE runs (id INTEGER PRIMARY KEY, {runs}, UNIQUE (key))",
        f"CREATE TABLE classes (run INTEGER NOT NULL REFERENCES runs, {classes}, "
        'PRIMARY KEY (run, "class", method, layer))',
    )


def _checked(path: Path, row: dict[str, Any]) -> dict[str, Any]:
    """A row whose values are of their columns' types, which SQLite does not see to."""
    for name, value in row.items():
        kinds = {"REAL": (int, float), "INTEGER": (int,)}.get(_TYPES.get(name, "TEXT"), (str,))
        if not isinstance(value, kinds) and (value is not None or name in _ALWAYS):
            raise AuditError(f"holds no {name!r} that is one", where=str(path), received=value)
    return row


def _insert(manner: str, table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT {manner} INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
