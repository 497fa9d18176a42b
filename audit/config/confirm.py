"""The config's section on causal confirmation."""

from __future__ import annotations

from pydantic import Field

from audit.config.section import Section


class ConfirmSection(Section):
    """Causal confirmation: what the model's answer does when the object or its background goes."""

    classes: str | list[str] = Field(
        "auto",
        description="`auto` (classes that are flagged or inconclusive, with passing ones as "
        "controls), `all`, `none`, or a list of classes.",
    )
