"""The config's section on strata: the parts of a class that ``strata.csv`` tells apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from audit.config.section import Section


class StrataSection(Section):
    """By what, beside size, instances and prediction, classes are split in `strata.csv`."""

    columns: list[str] = Field(
        default_factory=list,
        description="Columns of `dataset.metadata` by whose values classes are split, too.",
    )
    area_fractions: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: [0.05, 0.15, 0.3],
        description="Where bins of the boxes' share of the image begin, beside the one from 0.",
    )
    min_records: int = Field(
        10, ge=1, description="A stratum with fewer records is marked `small`; it stays listed."
    )
    max_values: int = Field(
        20,
        ge=1,
        le=1000,
        description="So many values of a column have a stratum each, the frequent ones first; the "
        "rest share `other`.",
    )

    @field_validator("area_fractions")
    @classmethod
    def _rising(cls, value: list[float]) -> list[float]:
        if any(high <= low for low, high in pairwise(value)):
            raise ValueError("must rise from one to the next")
        return value

    @field_validator("columns")
    @classmethod
    def _named_once(cls, value: list[str]) -> list[str]:
        twice = next((name for name in value if value.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice")
        return value
