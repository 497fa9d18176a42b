"""The verdict on a run: its checks, settled for a day, the reasons first."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import BaseModel, StrictStr, TypeAdapter

from audit.config.gate import GateSection
from audit.gate.checks import Check
from audit.gate.waivers import Waived, apply_waivers

# Raised when the meaning of a key changes; a file of another version is refused.
VERDICT_VERSION = "1"
STATES = ("pass", "warn", "fail", "waived", "not_observed")
# What a reader should be told first; all other limits follow in the order of the checks.
FOREMOST = ("confirmed", "flagged", "fitness", "min_judged")
# Made once: to make it takes longer than to check by it, and ten thousand classes have as many checks.
_CHECK = TypeAdapter(Check)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verdict.json`` holds."""

    name: str
    """Of the audit."""
    method: str
    layer: str
    date: datetime.date
    """The day (UTC) for which the waivers were settled."""
    policy: GateSection
    checks: tuple[Check, ...]
    waivers: tuple[Waived, ...]
    tables: dict[str, str]
    """File name -> SHA-256 of what the verdict rests on."""
    warnings: tuple[str, ...] = ()
    """What makes the whole audit doubtful, from ``summary.json``."""
    baseline: dict[str, Any] | None = field(default=None)
    """Results folder of the earlier run, its tables' digests and what differs."""

    @property
    def passes(self) -> bool:
        return not any(check.fails for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Why it fails, the main reasons first; an expired waiver is named with what it covered."""
        expired = {
            (w.waiver.limit, w.waiver.class_name): w.waiver
            for w in self.waivers
            if w.state == "expired"
        }
        told = []
        for check in sorted((c for c in self.checks if c.fails), key=_rank):
            waiver = expired.get((check.finding, check.class_name))
            late = f" (the waiver of {waiver.owner} expired on {waiver.expires})" if waiver else ""
            told.append(check.sentence + late)
        return told

    @property
    def remarks(self) -> list[str]:
        """What does not make it fail and should be known: warnings, what was not observed, waivers."""
        soft = [
            c.sentence for c in self.checks if c.state in ("warn", "not_observed") and not c.fails
        ]
        other = [f"baseline: {text}" for text in (self.baseline or {}).get("differences", ())]
        return [*self.warnings, *other, *soft, *(w.sentence() for w in self.waivers)]

    def counts(self) -> dict[str, int]:
        """Checks by state; they add up to ``checks``."""
        by_state = Counter(check.state for check in self.checks)
        return {"checks": len(self.checks), **{state: by_state[state] for state in STATES}}

    def on(self, day: datetime.date) -> Verdict:
        """The same verdict on another day: waivers expire."""
        return verdict_of(
            self.name, (self.method, self.layer), self.policy, self.checks, day,
            self.tables, self.warnings, self.baseline,
        )  # fmt: skip

    def values(self) -> dict[str, Any]:
        """For ``verdict.json``."""
        return {
            "schema_version": VERDICT_VERSION,
            "name": self.name,
            "result": "pass" if self.passes else "fail",
            "date": self.date.isoformat(),
            "reasons": self.reasons,
            "warnings": list(self.warnings),
            "counts": self.counts(),
            "method": self.method,
            "layer": self.layer,
            "baseline": self.baseline,
            "checks": [_check_values(check) for check in self.checks],
            "waivers": [waived.values() for waived in self.waivers],
            "policy": self.policy.model_dump(mode="json"),
            "tables": self.tables,
        }

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Verdict:
        """From :meth:`values`; ``KeyError``, ``TypeError`` or ``ValueError`` where they are none."""
        _Stored.model_validate(values)
        return verdict_of(
            values["name"],
            (values["method"], values["layer"]),
            GateSection.model_validate(values["policy"]),
            [_check(check) for check in values["checks"]],
            datetime.date.fromisoformat(values["date"]),
            values["tables"],
            values["warnings"],
            values["baseline"],
        )


class _Baseline(BaseModel):
    results: StrictStr
    differences: list[StrictStr]


class _Stored(BaseModel):
    """The form of :meth:`Verdict.values`, as far as it is read; the values themselves are kept."""

    name: StrictStr
    method: StrictStr
    layer: StrictStr
    checks: list[dict[StrictStr, Any]]
    tables: dict[StrictStr, StrictStr]
    warnings: list[StrictStr]
    baseline: _Baseline | None


def verdict_of(
    name: str,
    pair: tuple[str, str],
    policy: GateSection,
    checks: Sequence[Check],
    day: datetime.date,
    tables: dict[str, str],
    warnings: Sequence[str] = (),
    baseline: dict[str, Any] | None = None,
) -> Verdict:
    """The verdict of a policy's checks on ``day``. ``pair``: the method and layer that was judged."""
    settled, waivers = apply_waivers(checks, policy.waivers, day)
    return Verdict(
        name=name, method=pair[0], layer=pair[1], date=day, policy=policy, checks=tuple(settled),
        waivers=tuple(waivers), tables=tables, warnings=tuple(warnings), baseline=baseline,
    )  # fmt: skip


def _rank(check: Check) -> int:
    """Sorting keeps the order of equals. What was not observed comes last."""
    if check.found == "not_observed":
        return len(FOREMOST) + 1
    return FOREMOST.index(check.finding) if check.finding in FOREMOST else len(FOREMOST)


def _check_values(check: Check) -> dict[str, Any]:
    return {"scope": check.scope, **asdict(check), "state": check.state}


def _check(values: Mapping[str, Any]) -> Check:
    stored = {key: value for key, value in values.items() if key not in ("scope", "state")}
    _CHECK.validate_python(stored)
    return Check(**stored)
