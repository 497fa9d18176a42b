"""The config's section on the fitness of the explanation."""

from __future__ import annotations

from pydantic import Field

from audit.config.section import Section


class SanitySection(Section):
    """Fitness of the explanation: does it change when the model's weights do?"""

    images: int = Field(
        32, ge=0, le=10_000, description="Images of the sample; 0 leaves the checks out."
    )
