"""The fills tried on controls: of each kind the first decides that does what it is meant to do.

A network has an answer even to an image without any object. Records of that class keep theirs
whatever is removed, and so say nothing of a fill. It is known by the records of the *other* classes:
where most of these are given the same answer once their object is gone, that class is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.fills import Fill
from audit.stages.confirm_images import CHANGE_SCHEMA
from audit.stages.confirm_plan import BACKGROUND, CONTROL, OBJECT, control_tests
from audit.statistics import (
    ConfirmationRule,
    FillEvidence,
    clustered_rate,
    fill_evidence,
    fill_is_valid,
)

Tests = Sequence[tuple[str, Fill]]


@dataclass(frozen=True)
class Trial:
    """``evidence``: fill -> what it did to the controls, for each that was tried; ``valid``: those
    that are fit to decide; ``deciding``: of each kind the one that does, or would if it were;
    ``left_out``: fill -> classes of the controls that it was not judged by, see
    :func:`default_answers`."""

    evidence: Mapping[str, FillEvidence]
    valid: frozenset[str]
    deciding: tuple[Fill, ...]
    left_out: Mapping[str, frozenset[str]]


def try_fills(
    fills: Sequence[Fill],
    measure: Callable[[Tests], list[dict[str, Any]]],
    rule: ConfirmationRule,
    seed: int,
) -> tuple[Trial, list[dict[str, Any]]]:
    """Try fills in their order, of each kind until one is valid; and the rows that it took.

    ``measure`` gives rows of :data:`CHANGE_SCHEMA` of the controls by some tests.
    """
    kinds = {kind: [f for f in fills if f.kind == kind] for kind in ("colour", "content")}
    tried: dict[str, FillEvidence] = {}
    valid: dict[str, Fill] = {}
    left_out: dict[str, frozenset[str]] = {}
    rows: list[dict[str, Any]] = []
    while now := [
        next(f for f in own if f.name not in tried)
        for kind, own in kinds.items()
        if kind not in valid and any(f.name not in tried for f in own)
    ]:
        measured = measure(control_tests(now))
        frame = pd.DataFrame(measured, columns=CHANGE_SCHEMA.names)
        for f in now:
            left_out[f.name] = default_answers(frame, f.name, rule)
            told = frame[~frame["target_class"].isin(left_out[f.name])]
            tried[f.name] = evidence_of(told, f.name, seed)
            if fill_is_valid(tried[f.name], rule):
                valid[f.kind] = f
        rows += measured
    deciding = tuple(valid.get(kind, own[0]) for kind, own in kinds.items() if own)
    return Trial(tried, frozenset(f.name for f in valid.values()), deciding, left_out), rows


def default_answers(changes: pd.DataFrame, fill: str, rule: ConfirmationRule) -> frozenset[str]:
    """Classes of the controls that the model names wherever the object is gone.

    ``changes``: rows of :data:`CHANGE_SCHEMA` of the controls. Of the other classes' records, at
    least ``rule.min_records``, more than half are given the class (lower limit, clustered by image).
    """
    gone = changes[
        (changes["fill"] == fill) & (changes["removed"] == OBJECT) & changes["r"].notna()
    ]

    def is_default(name: str) -> bool:
        others = gone[gone["target_class"] != name]
        named = clustered_rate(others["answer"] == name, others["file_name"].to_numpy(str))
        return named.n >= rule.min_records and named.low > rule.half

    return frozenset(name for name in set(gone["target_class"]) if is_default(name))


def evidence_of(changes: pd.DataFrame, fill: str, seed: int) -> FillEvidence:
    """What a fill did to the records of some rows of :data:`CHANGE_SCHEMA`."""
    mine = changes[changes["fill"] == fill]
    # A class by itself: an image may be of several.
    parts = [_by_record(own) for _, own in mine.groupby("target_class")]
    columns = [OBJECT, BACKGROUND, CONTROL]
    wide = pd.concat(parts) if parts else pd.DataFrame(columns=columns, dtype=np.float64)
    return fill_evidence(*(wide[name] for name in columns), wide.index.to_numpy(str), seed)


def _by_record(changes: pd.DataFrame) -> pd.DataFrame:
    """One row a record, one column for each thing that was removed; NaN where not measured."""
    wide = changes.pivot(index="file_name", columns="removed", values="r").astype(np.float64)
    return wide.reindex(columns=[OBJECT, BACKGROUND, CONTROL]).sort_index()
