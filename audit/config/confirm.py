"""The config's section on causal confirmation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audit.config.section import Section


class ConfirmSection(Section):
    """Causal confirmation: what the model's answer does when the object or its background goes."""

    classes: Literal["auto", "all", "none"] | list[str] = Field(
        "auto",
        description="`auto` (classes that are flagged or inconclusive, with passing ones as "
        "controls), `all`, `none`, or a list of classes.",
    )
    fills: Annotated[list[str], Field(min_length=1, max_length=4)] = Field(
        # On networks with a planted background a flat patch looks like an object more often than a
        # blurred one, and inpainted streaks look like a star: donor and blur come first.
        default_factory=lambda: ["blur", "donor", "mean", "inpaint"],
        description="What is put in the place of what is removed; `focus-audit fills` lists them. Of "
        "each kind (colour, content) the first that proves itself on controls decides; one of each "
        "kind is needed.",
    )
    records: int = Field(
        100, ge=2, le=100_000, description="Records of a class that are changed, drawn at random."
    )
    controls: int = Field(
        100,
        ge=0,
        le=100_000,
        description="Records of passing classes, together, on which the fills are tried.",
    )
    passes: int = Field(
        50_000,
        ge=1,
        description="Forward passes of the whole audit, up to 8 a record; where they do not suffice, "
        "each class gets fewer records, and what is left out is said.",
    )
    min_records: int = Field(
        30, ge=2, description="Fewer records, of a class or of controls, decide nothing."
    )
    min_probability: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="Records are used whose class had at least this probability."
    )
    examples: int = Field(3, ge=0, le=1000, description="Pictures of changed images, a class.")
