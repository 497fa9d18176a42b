"""The config's section on the history of runs."""

from __future__ import annotations

from pydantic import Field

from audit.config.section import Section


class HistorySection(Section):
    """Where finished runs are written down, one below the other, so that a trend can be seen."""

    file: str | None = Field(
        None,
        description="SQLite file that each finished run is added to; made where there is none. Several "
        "audits may share one. `focus-audit history FILE` shows it.",
    )
