"""Score one record with every chosen metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.metrics.base import Column
from audit.metrics.scene import Scene, SceneInputs
from audit.metrics.settings import MetricSettings

SCORED = "scored"
UNSCORED = "unscored"
# The largest block, in bytes, that glibc takes as a hint to keep what is freed; nearly.
LARGEST_HINT = 31 << 20


def score_record(inputs: SceneInputs, settings: MetricSettings) -> dict[str, Any]:
    """All columns of one record.

    Returns ``status`` (``scored`` or ``unscored``), ``reason`` (None, or one of
    :data:`audit.metrics.scene.REASONS`) and every column of the chosen metrics; all of those are
    None in an unscored record.

    Raises
    ------
    AuditError: a box is not finite.
    ValueError: the heatmap is not a 2-D array with cells.
    """
    scene = Scene(inputs, settings)
    if scene.reason is not None:
        return {"status": UNSCORED, "reason": scene.reason, **settings.nothing_observed}
    row: dict[str, Any] = {"status": SCORED, "reason": None}
    for chosen in settings.chosen:
        row.update(chosen.compute(scene))
    return row


def columns_of(settings: MetricSettings) -> list[Column]:
    """The columns of :func:`score_record` after ``status`` and ``reason``, in order."""
    return [column for entry in settings.chosen for column in entry.columns]


def keep_freed_memory() -> None:
    """For a process that scores many records: what one raster frees, the next one takes.

    glibc gives large blocks back to the system when they are freed, and has to have every page of
    the next one mapped again, which took a third of the time with all metrics. Having freed a block
    of this size, which is never touched, it keeps up to twice as much. Elsewhere this does nothing.
    """
    np.empty(LARGEST_HINT, np.uint8)
