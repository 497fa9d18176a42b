"""Sign-offs: a person's decision on a run, appended to ``sign_off.jsonl`` of its results folder.

What is signed are digests of the data (verdict, provenance with the digests of all tables, summary,
classes). The page that was seen is noted beside them and not signed: it shows the sign-off, so that
it is made again after one.
"""

from __future__ import annotations

import datetime
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from audit.bundle.chain import LOG_VERSION, SEEN, SIGNED, START, Entry, read_chain, sealed
from audit.digest import digest_file
from audit.errors import AuditError, one_line
from audit.stages.bundle_files import Folder, Results
from audit.stages.layout import Layout
from audit.tables.atomic import write_bytes

SignOffState = Literal["none", "holds", "outdated", "broken"]
CALLED = {"approve": "approved", "reject": "rejected", "conditional": "approved on conditions"}


@dataclass(frozen=True)
class SignOff:
    """How a run stands with its reviewers."""

    state: SignOffState
    """``none``: nobody signed; ``holds``: the last entry is of these very results; ``outdated``: it is
    of results that were changed or made again since; ``broken``: the log was tampered with."""
    entries: tuple[Entry, ...] = ()
    changed: tuple[str, ...] = ()
    """Files that are not those that the last entry signed."""
    faults: tuple[str, ...] = ()
    """What is wrong with the log."""
    page_seen: bool | None = None
    """Whether ``report.html`` is the page that lay there at the last sign-off; None: there was none.
    Has no bearing on the state."""

    @property
    def last(self) -> Entry | None:
        """The decision that counts."""
        return self.entries[-1] if self.entries else None

    def sentence(self) -> str:
        """The state in one line."""
        return one_line(self._sentence())

    def _sentence(self) -> str:
        if self.state == "broken":
            return f"the sign-off log is broken: {self.faults[0]}"
        if self.last is None:
            return "not signed off"
        told = (
            f"{CALLED[self.last.decision]} by {self.last.reviewer} ({self.last.role}) on "
            f"{self.last.date}"
        )
        if self.state == "outdated":
            return f"not signed off as it is: {told}, before {', '.join(self.changed)} changed"
        return told

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "state": self.state,
            "sentence": self.sentence(),
            "changed": list(self.changed),
            "faults": list(self.faults),
            "page_seen": self.page_seen,
            "entries": [asdict(entry) for entry in self.entries],
        }


def sign_off(
    root: Path,
    *,
    reviewer: str,
    role: str,
    decision: str,
    reason: str,
    conditions: str | None = None,
    date: datetime.date | None = None,
) -> Entry:
    """Append a decision on the results as they lie there.

    ``date``: the day of the decision, today (UTC) for None.

    Raises
    ------
    AuditError: the tables are not those that the run wrote, the log is broken, a file that is to be
        signed is missing, or a text is empty.
    """
    if not root.is_dir():
        raise AuditError("is no results folder", where=str(root), expected="reports/NAME")
    now = datetime.datetime.now(datetime.UTC)
    if date is not None and date > now.date():
        raise AuditError("lies in the future", where="--date", received=date.isoformat())
    with _one_at_a_time(root):
        log = Layout(root).sign_off
        entries, faults = _read(log)
        if faults:
            raise AuditError(
                f"is broken: {faults[0]}", where=str(log), hint="nothing is added to such a log"
            )
        entry = sealed(
            {
                "schema_version": LOG_VERSION,
                "number": len(entries) + 1,
                "when": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "date": (date or now.date()).isoformat(),
                "reviewer": reviewer,
                "role": role,
                "decision": decision,
                "reason": reason,
                "conditions": conditions,
                "signed": _signed(root),
                "seen": _digests(root, SEEN),
                "before": entries[-1].digest if entries else START,
            }
        )
        write_bytes(log, (log.read_bytes() if entries else b"") + entry.line())
    return entry


def sign_off_state(root: Path) -> SignOff:
    """Who signed last, and whether what was signed is unchanged."""
    entries, faults = _read(Layout(root).sign_off)
    return state_of(entries, faults, _digests(root, (*SIGNED, *SEEN)))


def state_of(entries: tuple[Entry, ...], faults: list[str], found: dict[str, str]) -> SignOff:
    """The state of a log beside these digests of the results' files."""
    if faults:
        return SignOff("broken", entries, faults=tuple(faults))
    if not entries:
        return SignOff("none")
    last = entries[-1]
    changed = tuple(n for n, digest in last.signed.items() if found.get(n) != digest)
    seen = {n: found.get(n) == digest for n, digest in last.seen.items()}
    return SignOff(
        "outdated" if changed else "holds", entries, changed, page_seen=seen.get(SEEN[0])
    )


def _signed(root: Path) -> dict[str, str]:
    """Digests of what is signed, of a run whose tables are those that it wrote."""
    digests = _digests(root, SIGNED)
    for name in SIGNED:
        if name not in digests:
            raise AuditError(
                "is missing", where=str(root / name), hint="run `focus-audit run CONFIG` again"
            )
    for name in Results(Folder(root)).changed_tables():
        raise AuditError(
            "is not the table that provenance.json lists", where=str(root / name),
            hint="what was changed after the run is not signed; run it again",
        )  # fmt: skip
    return digests


def _digests(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: digest_file(root / name) for name in names if (root / name).is_file()}


def _read(log: Path) -> tuple[tuple[Entry, ...], list[str]]:
    try:
        return read_chain(log.read_bytes())
    except FileNotFoundError:
        return (), []
    except OSError as error:
        raise AuditError(f"cannot be read: {error.strerror}", where=str(log)) from None


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the folder itself: the log is replaced when it grows, and no lock file is left behind."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
