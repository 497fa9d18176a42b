"""What a metric is, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.registry import Registry

if TYPE_CHECKING:
    from audit.metrics.scene import Scene

COLUMN_DTYPES = ("bool", "float64", "float32", "str")


@dataclass(frozen=True, slots=True)
class Column:
    """One value that a metric yields for a record. None stands for "not observed"."""

    name: str
    dtype: str
    """``bool``, ``float64``, ``float32`` or ``str``; of the items, where ``shape`` says there are
    several."""
    description: str
    shape: str = ""
    """Empty for a scalar; else what the items of the 1-D array are: ``cells`` (h * w native cells,
    row by row), ``sweep`` (the settings' thresholds, in their order), ``xyxy``, ``boxes`` (x0, y0,
    x1, y1 of each threshold of the sweep), ``levels`` (:data:`audit.metrics.ranking.STEPS` even
    steps of the map)."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A registered metric."""

    name: str
    summary: str
    citation: str
    columns: tuple[Column, ...]
    default: bool
    compute: Callable[[Scene], dict[str, Any]]


METRICS: Registry[Metric] = Registry("metric")


def metric(
    name: str, *, summary: str, citation: str, columns: tuple[Column, ...], default: bool = True
) -> Callable[[Callable[[Scene], dict[str, Any]]], Callable[[Scene], dict[str, Any]]]:
    """Register the decorated function as the metric ``name``; the function itself is returned.

    ``default``: taken when the config names no metrics.
    """

    def register(compute: Callable[[Scene], dict[str, Any]]) -> Callable[[Scene], dict[str, Any]]:
        METRICS.add(name, Metric(name, summary, citation, columns, default, compute))
        return compute

    return register
