"""The config's section on the fitness of the explanation."""

from __future__ import annotations

from pydantic import Field

from audit.config.section import Section


class SanitySection(Section):
    """Fitness of the explanation: does it change when the model's weights do?"""

    images: int = Field(
        32, ge=0, le=10_000,
        description="Images of the sample, annotated and predicted right, spread over the classes; 0 "
        "leaves the checks out.",
    )  # fmt: skip
    steps: int = Field(
        8, ge=2, le=1000,
        description="Steps in which the weights are redrawn, from the output back: the head alone "
        "first, everything last.",
    )  # fmt: skip
    max_kept: float = Field(
        0.5, gt=0, lt=1,
        description="A method is unfit when it keeps more of its map than this, on average over the "
        "steps and beyond what maps of other images have in common with it.",
    )  # fmt: skip
    min_records: int = Field(
        8, ge=2, le=10_000, description="Records that a verdict on a method takes at least."
    )
    min_kernels: int = Field(
        4, ge=1, le=1000,
        description="Kernels that the model has at least: of a smaller one, a redrawn network still "
        "answers to the same edges and colours, and nothing is said.",
    )  # fmt: skip
    second_method: str | None = Field(
        "saliency",
        description="A method by another way, whose agreement with each method is told beside it; it "
        "decides nothing. null leaves it out.",
    )
    max_passes: int = Field(
        20_000, ge=0, le=10**9,
        description="Forward passes for each slow method (`occlusion`, `rise`, `scorecam` ...), which "
        "get three steps and as many images as that allows; too few, and they are left out.",
    )  # fmt: skip
