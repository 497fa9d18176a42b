"""The config's section on the system that the classifier is a part of: words for the report."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from audit.config.section import Section

SHORT, LONG = 200, 4000


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank; leave it out")
    return value


Line = Annotated[str, Field(max_length=SHORT), AfterValidator(_not_blank)]
Text = Annotated[str, Field(max_length=LONG), AfterValidator(_not_blank)]


class SystemSection(Section):
    """The system that the classifier is a part of, in your words; the report repeats them."""

    name: Line | None = Field(None, description="Name of the system.")
    version: Line | None = Field(None, description="Its version.")
    provider: Line | None = Field(None, description="Who makes it, or puts it on the market.")
    owner: Line | None = Field(None, description="Who answers for it.")
    intended_purpose: Text | None = Field(
        None, description="What it is meant for, by whom and on whom."
    )
    deployment_context: Text | None = Field(
        None, description="Where it is used: cameras, places, people, how often it may err."
    )
    risk_id: Line | None = Field(
        None, description="Entry of your risk register that this audit is evidence for."
    )
    risk_class: Line | None = Field(
        None, description="How the system, or that risk, is classed, and by whom."
    )
    residual_risk: Text | None = Field(None, description="What risk is left, and who accepted it.")
    human_oversight: Text | None = Field(
        None, description="Who looks at the answers, and what they can do about them."
    )
    limitations: Text | None = Field(
        None, description="What the system cannot do, and must not be used for."
    )
