"""The form of a finished run's files, as far as other verbs lean on it.

A results folder may come from somebody else. What is read of it is looked at first, so that a file
of another form is told as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from audit.errors import AuditError
from audit.gate import Row
from audit.gate.figures import COUNTED, number

VERDICTS = ("", "pass", "flagged", "insufficient", "inconclusive")
CONFIRMATIONS = ("", "confirmed", "heatmap_only", "refuted", "mixed", "not_run")
FIGURES = (
    "n_images", "n_scored", "n_unscored", "n_eligible", "pointing_accuracy", "pointing_chance",
    "pointing_skill", "mean_iou", *COUNTED, *COUNTED.values(),
)  # fmt: skip


class _Pair(BaseModel):
    method: StrictStr
    layer: StrictStr


class _Counts(BaseModel):
    images_in: StrictInt = Field(ge=0)
    images_excluded: StrictInt = Field(ge=0)


class Summary(BaseModel):
    """``summary.json``."""

    name: StrictStr
    counts: _Counts
    methods: list[_Pair] = Field(min_length=1)
    warnings: list[StrictStr]


class _Hashes(BaseModel):
    tables: dict[StrictStr, StrictStr]
    model: dict[StrictStr, StrictStr]
    annotations: dict[StrictStr, StrictStr]
    images: StrictStr


class _Audit(BaseModel):
    seed: StrictInt = 0


class _Model(BaseModel):
    preprocess: Any
    resize: Any


class _Explain(BaseModel):
    score: Any
    options: Any
    grid: Any
    tokens: Any


class _Config(BaseModel):
    audit: _Audit
    model: _Model
    explain: _Explain
    heatmap: dict[StrictStr, Any]
    flags: dict[StrictStr, Any]


class _Shard(BaseModel):
    name: StrictStr = Field(pattern=r"^[\w-]+$")


class Provenance(BaseModel):
    """``provenance.json``."""

    focus_audit: StrictStr
    finished: StrictStr
    config: _Config
    hashes: _Hashes
    shards: list[_Shard] = []
    git: dict[StrictStr, dict[StrictStr, Any] | None] | None = None


def check_form(form: type[BaseModel], values: Any, where: str, hint: str) -> None:
    """Refuse a JSON value of another form.

    Raises
    ------
    AuditError: names the first key that is not as it should be.
    """
    try:
        form.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise AuditError(
            f"is not what a run writes: {key}: {first['msg']}", where=where, hint=hint
        ) from None


def check_rows(rows: Sequence[Row], where: str, hint: str) -> None:
    """Refuse rows of ``per_class.csv`` with a verdict or a figure that is none."""
    for number_, row in enumerate(rows, start=1):
        if len(row) < len(rows[0]):
            raise AuditError(f"row {number_} is cut short", where=where, hint=hint)
        known = row["verdict"] in VERDICTS and row["confirmation"] in CONFIRMATIONS
        wrong = None if known else "verdict"
        wrong = wrong or next((name for name in FIGURES if not _is_figure(row, name)), None)
        if wrong:
            raise AuditError(
                f"is not what a run writes: class {row['class']!r} has no {wrong}",
                where=where, received=row.get(wrong), hint=hint,
            )  # fmt: skip


def _is_figure(row: Row, name: str) -> bool:
    try:
        values = [number(row, f"{name}{end}") for end in ("", "_low", "_high")]
    except (ValueError, TypeError):
        return False
    return all(value is None or isfinite(value) for value in values)
