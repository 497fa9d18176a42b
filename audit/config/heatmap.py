"""The config's section on how a heatmap becomes a mask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from audit.config.section import Section


class PercentileThreshold(Section):
    """A threshold at a percentile of the map's pixels."""

    percentile: float = Field(
        gt=0, lt=100, description="The cut lies at this percentile of the map."
    )


class HeatmapSection(Section):
    """How a heatmap becomes a mask."""

    threshold: float | Literal["otsu", "calibrated"] | PercentileThreshold = Field(
        0.15,
        description="Fraction of the maximum (Grad-CAM .15, CAM .20), `otsu`, `{percentile: 90}`, or "
        "`calibrated`: of the sweep, the one with the best mean mask IoU on the other half of the "
        "images, never on those that it scores.",
    )
    sweep: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: [round(0.05 * k, 2) for k in range(1, 20)],
        min_length=1,
        max_length=200,
        description="Further thresholds, as fractions of the maximum, for `thresholds.csv`, "
        "`localisation.csv` and `calibrated`.",
    )
    top_k: int = Field(
        1000,
        ge=1,
        le=1_000_000_000,
        description="Highest pixels that `top_k_intersection` looks at, on the original.",
    )

    @field_validator("threshold")
    @classmethod
    def _between(cls, value: object) -> object:
        if isinstance(value, float | int) and not 0 < value < 1:
            raise ValueError("must lie between 0 and 1, both left out")
        return value
