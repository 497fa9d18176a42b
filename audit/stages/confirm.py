"""``confirm``: what the model answers when the object, or its background, is taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.config.model import Config
from audit.fills import FILLS
from audit.progress import Progress
from audit.stages.confirm_images import CHANGE_SCHEMA, NOT_POSSIBLE, Pictures, read_images
from audit.stages.confirm_passes import Passes, Row
from audit.stages.confirm_pictures import draw_examples
from audit.stages.confirm_plan import PASSES, Plan, class_tests, make_plan
from audit.stages.confirm_tables import confirmation_rule, tables
from audit.stages.confirm_trial import Tests, Trial, try_fills
from audit.stages.counts import tally
from audit.stages.layout import Layout
from audit.stages.timing import as_explained
from audit.tables.atomic import write_json
from audit.tables.csv import write_csv
from audit.tables.parquet import read_table, write_rows


def run_confirm(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
    probe: Any = None,
) -> None:
    """Write ``confirmation.csv``, the records behind it, each class's state, and the pictures.

    ``probe``: a model that is ready; without one it is loaded, and only where a class needs it.
    """
    config = as_explained(config, layout, manifest)
    plan = _plan(config, layout, manifest, found)
    images = read_images(layout, manifest, _names(plan.records) | _names(plan.controls))
    pictures = Pictures(config, found, images)
    passes = Passes(config, layout, found, images, pictures, progress, probe)
    trial, changes = _changes(config, plan, pictures, passes, progress)
    passes.forget_others()
    _say_what_was_lost(changes, progress)
    write_rows(layout.changes, CHANGE_SCHEMA, changes)
    table, told = tables(plan, trial, pd.DataFrame(changes, columns=CHANGE_SCHEMA.names), config)
    write_csv(layout.root / "confirmation.csv", table)
    draw_examples(config, layout, plan, trial, changes, pictures)
    write_json(layout.confirmed, told)
    states = tally(pd.Series([entry["state"] for entry in told.values()], dtype=object))
    progress.say(", ".join(f"{state} {count}" for state, count in states.items()))


def _plan(
    config: Config, layout: Layout, manifest: Mapping[str, Any], found: Mapping[str, Any]
) -> Plan:
    judged = read_table(layout.judged).to_pandas()
    predictions = read_table(layout.root / "predictions.parquet").to_pandas()

    def has_control(records: pd.DataFrame) -> np.ndarray:
        images = read_images(layout, manifest, set(records["file_name"]))
        pictures = Pictures(config, found, images)
        pairs = zip(records["file_name"], records["target_class"], strict=True)
        return np.array([pictures.has_control(*pair) for pair in pairs], bool)

    return make_plan(judged, predictions, list(found["classes"]), config, has_control)


def _names(records: pd.DataFrame) -> set[str]:
    """Every image that is read: the records' own, and donors."""
    columns = records[["file_name", "other", "same"]]
    return {name for column in columns for name in columns[column] if name is not None}


def _changes(
    config: Config, plan: Plan, pictures: Pictures, passes: Passes, progress: Progress
) -> tuple[Trial, list[Row]]:
    """How the fills did on the controls; and every changed image, measured."""
    fills = [FILLS.get(name, "confirm.fills") for name in config.confirm.fills]
    expected = len(plan.records) * PASSES
    if expected:
        progress.say(
            f"{len(plan.asked)} classes, {len(plan.records)} records, {len(plan.controls)} controls"
        )

    def measure(tests: Tests) -> list[Row]:
        controls = plan.controls.to_dict("records")
        rows = [row for one in controls for row in pictures.changes(one, tests, control=True)]
        return passes.run(rows, later=expected)

    trial, rows = try_fills(fills, measure, confirmation_rule(config), config.audit.seed)
    tests = class_tests(fills, trial.deciding)
    done = _tests_done(rows)
    further = [
        row
        for one in plan.records.to_dict("records")
        for row in pictures.changes(
            one, _left(tests, done.get((one["file_name"], one["target_class"]), ()))
        )
    ]
    return trial, rows + passes.run(further)


def _say_what_was_lost(changes: Sequence[Row], progress: Progress) -> None:
    """Changed images that could not be made although they were planned, by reason."""
    reasons = pd.Series([row["reason"] for row in changes if row["reason"]], dtype=object)
    lost = tally(reasons[~reasons.isin(NOT_POSSIBLE)])
    if lost:
        told = ", ".join(f"{reason} {count}" for reason, count in lost.items())
        progress.say(f"of {len(changes)} changed images {sum(lost.values())} are left out: {told}")


def _tests_done(rows: Sequence[Row]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(file name, class) -> what was removed by which fill."""
    done: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        done.setdefault((row["file_name"], row["target_class"]), []).append(
            (row["removed"], row["fill"])
        )
    return done


def _left(tests: Tests, done: Sequence[tuple[str, str]]) -> Tests:
    """What a record still needs; where many fills were tried on it, not all: there is a limit."""
    needed = [(removed, f) for removed, f in tests if (removed, f.name) not in done]
    return needed[: PASSES - len(done)]
