"""All models of a plan, one line a model as soon as it is done; a killed campaign goes on.

``plan.json`` holds the rules and is written before anything is trained; ``trials.jsonl`` holds the
rows, in the order in which they were done. The tables are sorted, and the same for any order.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from audit.errors import AuditError
from audit.prove.plan import Cell, Plan
from audit.stages.ahead import end_with_parent
from audit.tables.atomic import write_json

Row = dict[str, Any]
# TensorFlow keeps some memory of every model; workers are renewed after this many each.
TRIALS_PER_WORKER = 20


def run_plan(
    plan: Plan,
    folder: Path,
    jobs: int,
    say: Callable[[str], None],
    work: Callable[[Cell], Row] | None = None,
    after_each: Callable[[list[Row]], None] = lambda rows: None,
) -> list[Row]:
    """Run what is missing; all rows, in the order of the plan.

    Parameters
    ----------
    folder: of the results; what an earlier call with the same rules left there is kept.
    jobs: processes; each trains one model at a time, on one thread.
    work: what is done for a cell, in this process; left out: :func:`~audit.prove.trial.run_trial`
        in processes of their own.
    after_each: called with all rows so far, in the order of the plan, when a model is done.

    Raises
    ------
    AuditError: the folder holds rows that were made under other rules.
    """
    _claim(plan, folder)
    lines = folder / "trials.jsonl"
    done = read_rows(lines)
    missing = [cell for cell in plan.cells if cell.name not in done]
    say(f"plan {plan.name}, rules {plan.digest}: {len(missing)} of {len(plan.cells)} models to go")
    rows = map(work, missing) if work else _in_processes(missing, jobs, _trial)
    for number, row in enumerate(rows, start=1):
        append_line(lines, row)
        done[row["name"]] = row
        say(f"{number}/{len(missing)} {told(row)}")
        after_each(_in_order(plan, done))
    return _in_order(plan, done)


def _in_order(plan: Plan, done: dict[str, Row]) -> list[Row]:
    return [done[cell.name] for cell in plan.cells if cell.name in done]


def told(row: Row) -> str:
    """One line on a model: what it is, what the audit says of its planted class."""
    planted = next((c for c in row["classes"] if c["planted"]), None)
    verdict = f", {planted['verdict']}, {planted['confirmation']}" if planted else ""
    return (
        f"{row['name']}: {row['truth']['verdict']}{verdict} ({sum(row['seconds'].values()):.0f} s)"
    )


def read_rows(path: Path) -> dict[str, Row]:
    """Name of the cell -> its row; a last line that a crash cut short is as if it were not there."""
    if not path.exists():
        return {}
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return {row["name"]: row for row in map(json.loads, whole)}


def append_line(path: Path, row: Row) -> None:
    """Add a line, flushed to disk; what is left of a line that was cut short is taken away first."""
    with path.open("ab+") as file:
        file.truncate(_whole(file))
        file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _whole(file: Any) -> int:
    """Length in bytes up to the last line end."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _claim(plan: Plan, folder: Path) -> None:
    """Write the rules down, or see that those there are the same."""
    path = folder / "plan.json"
    if not path.exists():
        write_json(path, {"digest": plan.digest, **plan.rules()})
        return
    found = json.loads(path.read_text(encoding="utf-8"))["digest"]
    if found != plan.digest:
        raise AuditError(
            "the folder holds models that were made under other rules", where=str(path),
            expected=plan.digest, received=found, hint="name a new folder with --out",
        )  # fmt: skip


def _trial(cell: Cell) -> Row:
    """A trial in a process of its own, which alone loads what it takes."""
    from audit.prove.trial import run_trial

    return run_trial(cell)


def _in_processes(cells: Sequence[Cell], jobs: int, work: Callable[[Cell], Row]) -> Iterator[Row]:
    """Rows as they are done. Processes are started anew: TensorFlow does not survive a fork.

    In rounds with a pool each: one pool that renews its workers (``max_tasks_per_child``) may wait
    for ever once the first of them has left (CPython issue 115634).
    """
    from audit.stages.runtime import set_threads

    set_threads()  # taken over by the processes, before they import NumPy
    size = TRIALS_PER_WORKER * jobs
    for start in range(0, len(cells), size):
        yield from _round(cells[start : start + size], jobs, work)


def _round(cells: Sequence[Cell], jobs: int, work: Callable[[Cell], Row]) -> Iterator[Row]:
    """Some cells by one pool."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=end_with_parent) as pool:
        futures = [pool.submit(work, cell) for cell in cells]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
