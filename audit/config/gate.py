"""The config's section on the policy: what must hold for exit code 0."""

from __future__ import annotations

from audit.config.section import Section


class GateSection(Section):
    """The policy. Empty: every audit that ran passes."""
