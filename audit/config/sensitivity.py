"""The config's section on the sensitivity of verdicts: the rule's numbers, moved one at a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audit.config.section import Section

# The numbers of the rule that are moved, as `flags` names them.
VARIED = ("tolerance", "min_energy_skill", "max_rate", "min_eligible")


class SensitivitySection(Section):
    """Further values of `flags`, each tried alone; an empty list leaves that number out."""

    tolerance: list[Annotated[float, Field(ge=0, le=10_000)]] = Field(
        default_factory=lambda: [5.0, 15.0], description="Pixels, for `flags.tolerance`."
    )
    min_energy_skill: list[Annotated[float, Field(ge=-1, le=1)]] = Field(
        default_factory=lambda: [0.0, 0.05, 0.15, 0.2],
        description="For `flags.min_energy_skill`.",
    )
    max_rate: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: [0.2, 0.25, 0.35, 0.4], description="For `flags.max_rate`."
    )
    min_eligible: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: [20], description="For `flags.min_eligible`."
    )
