"""The figures that limits are held against, read from rows of ``per_class.csv``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

# A row of per_class.csv: column -> text, empty where nothing was observed.
Row = Mapping[str, str]

# What a figure was observed on; the others on the records that could be scored.
COUNTED = {
    "accuracy": "n_images",
    "background_focused_rate": "n_eligible",
    "energy_skill": "n_energy_skill",
}
# Columns without which a table is none of ours.
REQUIRED = (
    "class", "method", "layer", "n_images", "n_scored", "n_unscored", "n_eligible", "accuracy",
    "pointing_accuracy", "pointing_chance", "pointing_skill", "energy_skill", "n_energy_skill",
    "mean_iou", "background_focused_rate", "verdict", "confirmation", "fitness",
)  # fmt: skip


class Figure(NamedTuple):
    """A figure with its 95 % interval; None for what was not observed, or has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Images or records that it was observed on."""
    exact: bool = False
    """A count, or a share of all there are: it needs no interval."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the policy is held against: one method at one layer of a run."""

    method: str
    layer: str
    overall: Row
    """The row over all classes."""
    classes: tuple[Row, ...]
    images_in: int
    images_excluded: int


def figure(row: Row, name: str) -> Figure:
    """A figure by its name in a limit: a column, or one of ``unscored_share`` and ``eligible``."""
    if name == "eligible":
        return Figure(number(row, "n_eligible"), exact=True)
    if name == "unscored_share":
        unscored, scored = number(row, "n_unscored"), number(row, "n_scored")
        total = (unscored or 0) + (scored or 0)
        return share(unscored, total)
    n = number(row, COUNTED.get(name, "n_scored"))
    value = number(row, name)
    low, high = _skill_limits(row) if name == "pointing_skill" else _limits(row, name)
    return Figure(value, low, high, None if n is None else int(n))


def share(part: float | None, total: float) -> Figure:
    """``part`` of ``total``, of all there are; not observed where there are none."""
    known = part is not None and total > 0
    return Figure(part / total if known else None, n=int(total), exact=True)


def difference(first: Figure, second: Figure) -> Figure:
    """``first`` - ``second``, with an interval from theirs.

    MOVER (Zou and Donner 2008; Newcombe 1998, method 10), which takes the two for independent. Two
    runs on the same images go up and down together, so that the interval is too wide, not too narrow.
    ``n`` is the smaller of the two.
    """
    if first.value is None or second.value is None:
        return Figure(None)
    value = first.value - second.value
    counts = [n for n in (first.n, second.n) if n is not None]
    n = min(counts, default=None)
    if None in (first.low, first.high, second.low, second.high):
        return Figure(value, n=n)
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Figure(value, value - below, value + above, n)


def number(row: Row, column: str) -> float | None:
    """A cell as a number; None where it is empty."""
    text = row.get(column, "")
    value = float(text) if text else math.nan
    return None if math.isnan(value) else value


def _limits(row: Row, name: str) -> tuple[float | None, float | None]:
    return number(row, f"{name}_low"), number(row, f"{name}_high")


def _skill_limits(row: Row) -> tuple[float | None, float | None]:
    """The interval of the pointing accuracy, carried over: chance follows from the boxes alone."""
    own = _limits(row, "pointing_skill")
    chance = number(row, "pointing_chance")
    if None not in own or chance is None or chance >= 1:
        return own
    low, high = _limits(row, "pointing_accuracy")
    if low is None or high is None:
        return None, None
    return (low - chance) / (1 - chance), (high - chance) / (1 - chance)
