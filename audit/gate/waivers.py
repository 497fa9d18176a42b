"""Waivers: a failure that somebody answers for, until a day."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from audit.config.gate import Waiver
from audit.gate.checks import Check

WaiverState = Literal["used", "expired", "not_needed", "unmatched"]


@dataclass(frozen=True, slots=True)
class Waived:
    """A waiver, and what became of it.

    ``used``: its check would fail. ``expired``: its day is over, so that it does not count.
    ``not_needed``: its check does not fail. ``unmatched``: nothing of that name is checked, or the
    class's verdict is another one than it names.
    """

    waiver: Waiver
    state: WaiverState

    def values(self) -> dict[str, Any]:
        """For ``verdict.json``."""
        return {**self.waiver.model_dump(mode="json"), "state": self.state}

    def sentence(self) -> str:
        """What a reader of the gate is told of it."""
        waiver = self.waiver
        what = f"{waiver.limit} of {waiver.class_name or 'all classes'}"
        told = {
            "used": f"waived until {waiver.expires} by {waiver.owner}: {waiver.reason}",
            "expired": f"the waiver of {waiver.owner} expired on {waiver.expires}",
            "not_needed": f"the waiver of {waiver.owner} is not needed",
            "unmatched": f"the waiver of {waiver.owner} matches nothing that was found",
        }[self.state]
        return f"{what}: {told}"


def apply_waivers(
    checks: Sequence[Check], waivers: Sequence[Waiver], day: datetime.date
) -> tuple[list[Check], list[Waived]]:
    """The checks as they stand on ``day``, and what became of each waiver.

    ``checks``: as :func:`.checks.evaluate` made them, or settled for another day. A waiver counts up
    to and with its last day.
    """
    by_name = {(w.limit, w.class_name): w for w in waivers if day <= w.expires}
    settled = [_settle(check, by_name) for check in checks]
    found = {(check.finding, check.class_name): check for check in checks}
    return settled, [Waived(w, _state(w, found, day)) for w in waivers]


def _settle(check: Check, by_name: dict[tuple[str, str | None], Waiver]) -> Check:
    waived = check.breaks and (check.finding, check.class_name) in by_name
    return replace(check, waived=waived)


def _state(
    waiver: Waiver, found: dict[tuple[str, str | None], Check], day: datetime.date
) -> WaiverState:
    if day > waiver.expires:
        return "expired"
    check = found.get((waiver.limit, waiver.class_name))
    if check is None:
        return "unmatched"
    return "used" if check.breaks else "not_needed"
