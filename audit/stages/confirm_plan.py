"""Which classes are confirmed, on which records, by which changes: known before the model is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.config.confirm import ConfirmSection
from audit.config.model import Config
from audit.errors import AuditError, nearest
from audit.fills import FILLS, Fill
from audit.stages.classes import ALL
from audit.stages.eligibility import of_baselines
from audit.stages.loading import image_key
from audit.statistics import MAX_CONTROL_AREA

OBJECT, BACKGROUND, CONTROL = "object", "background", "control"
# Background is swapped for a donor's by both of these, whatever fills are chosen.
SWAPS = ("donor", "donor_same")
# Forward passes of a record at most, and fills by which its object is removed.
PASSES, OBJECT_FILLS = 8, 3
# Donors that are drawn; the one whose own objects are smallest is taken: least is made up.
DONOR_DRAWS = 8
# Streams of random numbers about an image, beside each other.
CONTROL_STREAM, DONOR_STREAMS = 0, {"other": 1, "same": 2}


@dataclass(frozen=True)
class Plan:
    """What will be run.

    ``asked``: class -> what its heatmaps say of it, the most urgent first. ``not_run``: class ->
    why, in a sentence, for every class that is not asked. ``records``: one row a record of these
    classes, with ``file_name``, ``target_class``, ``p0``, and the donors ``other`` and ``same``
    (None: there is none), in the order of the run. ``controls``: the same of passing classes, on
    which the fills are tried; where such a class is asked, too, a record may be in both.
    """

    asked: dict[str, str]
    not_run: dict[str, str]
    records: pd.DataFrame
    controls: pd.DataFrame


def make_plan(
    judged: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: Sequence[str],
    config: Config,
    has_control: Callable[[pd.DataFrame], np.ndarray],
) -> Plan:
    """Classes and records from what ``judge`` wrote.

    ``judged``: ``stages/judge/classes.parquet``; ``predictions``: ``predictions.parquet``;
    ``classes``: those of the data set that are mapped; ``has_control``: bool (n,), which of n
    records have room for as much background as their object is large.

    Raises
    ------
    AuditError: ``confirm.classes`` names a class that there is not.
    """
    settings = config.confirm
    verdicts = _verdicts(judged, classes)
    asked = _asked(verdicts, settings)
    not_run = {name: _not_asked(verdicts[name], settings) for name in classes if name not in asked}
    usable = _usable(predictions, settings, config.audit.seed)
    for name in list(asked):
        have = int((usable["target_class"] == name).sum())
        if have < settings.min_records:
            del asked[name]
            not_run[name] = (
                f"Too few records to change: {have} eligible with a probability of at least "
                f"{settings.min_probability:g}, {settings.min_records} are needed."
            )
    passing = [name for name in classes if asked and _passes(verdicts[name])]
    budget = settings.passes // PASSES
    tried = min(settings.controls, max(settings.min_records, budget // 2))
    controls = _controls(usable, passing, tried, has_control)
    counts = _shares(asked, usable, settings, max(0, budget - len(controls)))
    for name in asked:
        if name not in counts:
            not_run[name] = "Left out: confirm.passes does not suffice for every class."
    asked = {name: told for name, told in asked.items() if name in counts}
    records = _joined(usable, [_of(usable, name).head(n) for name, n in counts.items()])
    seed = config.audit.seed
    return Plan(
        asked, not_run, _with_donors(records, usable, seed),
        _with_donors(controls if asked else controls.head(0), usable, seed),
    )  # fmt: skip


def control_tests(fills: Sequence[Fill]) -> list[tuple[str, Fill]]:
    """(what is removed, fill) of each pass by which fills are tried on a record of the controls."""
    return [(removed, f) for f in fills for removed in (OBJECT, CONTROL)]


def class_tests(fills: Sequence[Fill], deciding: Sequence[Fill]) -> list[tuple[str, Fill]]:
    """(what is removed, fill) of each pass of a record of an asked class, at most :data:`PASSES`.

    The object by three fills; as much background by those that decide; the background by the first
    of these, and swapped for a donor's of another and of the same class.
    """
    further = [f for f in fills if f not in deciding]
    tests = [(OBJECT, f) for f in [*deciding, *further][:OBJECT_FILLS]]
    tests += [(CONTROL, f) for f in deciding]
    removed = [f for f in deciding if f.kind == "colour"]
    return tests + [(BACKGROUND, f) for f in (*removed, *(FILLS.get(name) for name in SWAPS))]


# -- classes


def _verdicts(judged: pd.DataFrame, classes: Sequence[str]) -> dict[str, set[str]]:
    """Class -> what the heatmaps of each method and layer say; baselines say nothing."""
    told = judged[(judged["class"] != ALL) & judged["verdict"].notna()]
    found: dict[str, set[str]] = {name: set() for name in classes}
    for name, verdict in zip(told["class"], told["verdict"], strict=True):
        found[name].add(verdict)
    return found


def _asked(verdicts: Mapping[str, set[str]], settings: ConfirmSection) -> dict[str, str]:
    """Class -> the heatmaps' verdict: flagged ones first, then inconclusive ones, then others."""
    chosen: Sequence[str] = [] if settings.classes == "none" else list(verdicts)
    if isinstance(settings.classes, list):
        for name in settings.classes:
            if name not in verdicts:
                raise AuditError(
                    "no such class", where="confirm.classes", received=name,
                    hint=nearest(name, verdicts),
                )  # fmt: skip
        chosen = settings.classes
    told = {name: _worst(verdicts[name]) for name in dict.fromkeys(chosen)}
    if settings.classes == "auto":
        told = {n: v for n, v in told.items() if v in ("flagged", "inconclusive")}
    order = ("flagged", "inconclusive", "pass", "insufficient")
    return dict(sorted(told.items(), key=lambda item: (order.index(item[1]), item[0])))


def _worst(verdicts: set[str]) -> str:
    """The most urgent of what several methods say."""
    order = ("flagged", "inconclusive", "pass")
    return next((v for v in order if v in verdicts), "insufficient")


def _passes(verdicts: set[str]) -> bool:
    """A class that some method clears and none holds against: fit to try the fills on."""
    return _worst(verdicts) == "pass"


def _not_asked(verdicts: set[str], settings: ConfirmSection) -> str:
    if settings.classes == "none":
        return "Not asked for (confirm.classes is none)."
    if settings.classes == "auto":
        return f"Not asked for: by its heatmaps the class is {_worst(verdicts)}."
    return "Not asked for (confirm.classes)."


# -- records


def _usable(predictions: pd.DataFrame, settings: ConfirmSection, seed: int) -> pd.DataFrame:
    """Eligible records of some method, once each, classes mixed, in an order drawn by the seed."""
    enough = predictions["target_probability"] >= settings.min_probability
    mine = predictions[predictions["eligible"] & enough & ~of_baselines(predictions)]
    mine = mine.drop_duplicates(["file_name", "target_class"])
    order = np.argsort([image_key(name, seed) for name in mine["file_name"]], kind="stable")
    mine = mine.iloc[order].rename(columns={"target_probability": "p0"})
    return mine[["file_name", "target_class", "p0", "area_fraction"]].reset_index(drop=True)


def _of(usable: pd.DataFrame, name: str) -> pd.DataFrame:
    return usable[usable["target_class"] == name]


def _joined(usable: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([usable.head(0), *parts], ignore_index=True)


def _controls(
    usable: pd.DataFrame,
    passing: Sequence[str],
    total: int,
    has_control: Callable[[pd.DataFrame], np.ndarray],
) -> pd.DataFrame:
    """Up to ``total`` records of passing classes, dealt out evenly: a fill is tried on those alone
    of which as much background as the object can be removed."""
    small = usable[usable["area_fraction"] <= MAX_CONTROL_AREA]
    # Each class gets at least one where there are fewer classes than records.
    pool = _joined(usable, [_of(small, name).head(total) for name in passing[:total]])
    able = pool[has_control(pool)] if len(pool) else pool
    have = able["target_class"].value_counts()
    names = [name for name in passing if name in have]
    dealt = _dealt(total, [int(have[name]) for name in names])
    parts = [_of(able, name).head(n) for name, n in zip(names, dealt, strict=True)]
    return _joined(usable, parts)


def _shares(
    asked: Mapping[str, str], usable: pd.DataFrame, settings: ConfirmSection, budget: int
) -> dict[str, int]:
    """Class -> how many records; one that the budget does not hold is not in it."""
    have = usable["target_class"].value_counts()
    kept = list(asked)[: budget // settings.min_records]
    most = min(settings.records, budget // len(kept)) if kept else 0
    return {name: min(most, int(have[name])) for name in kept}


def _dealt(total: int, have: Sequence[int]) -> list[int]:
    """``total`` dealt out as evenly as what each one has allows."""
    dealt = [0] * len(have)
    while total > 0 and any(d < h for d, h in zip(dealt, have, strict=True)):
        for i, most in enumerate(have):
            if total > 0 and dealt[i] < most:
                dealt[i] += 1
                total -= 1
    return dealt


# -- donors


def _with_donors(records: pd.DataFrame, usable: pd.DataFrame, seed: int) -> pd.DataFrame:
    """``records`` with the columns ``other`` and ``same``: file names of donors, or None."""
    by_class = dict(iter(usable.groupby("target_class")))
    rows: list[dict[str, Any]] = []
    for record in records.to_dict("records"):
        name, own = record["file_name"], record["target_class"]
        others = [mine for other, mine in by_class.items() if other != own]
        key = image_key(name, seed)
        rows.append(
            {
                **record,
                "other": _donor(others, name, key, DONOR_STREAMS["other"]),
                "same": _donor([by_class[own]], name, key, DONOR_STREAMS["same"]),
            }
        )
    columns = [*records.columns, "other", "same"]
    return pd.DataFrame(rows, columns=columns).astype({"other": object, "same": object})


def _donor(pools: Sequence[pd.DataFrame], name: str, key: int, stream: int) -> str | None:
    """Of some draws (a class, then an image of it) the one with the smallest objects."""
    if not pools:
        return None
    rng = np.random.default_rng([key, stream])
    drawn = []
    for _ in range(DONOR_DRAWS):
        pool = pools[rng.integers(len(pools))]
        row = pool.iloc[int(rng.integers(len(pool)))]
        if row["file_name"] != name:
            drawn.append((row["area_fraction"], row["file_name"]))
    return min(drawn)[1] if drawn else None
