"""The sign-off log: one line an entry, each holding the digest of the one before.

An entry that is edited, moved or taken out of the middle breaks the chain. One that is cut off the
end does not: what shows that is a manifest over the whole file, as a bundle has.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from audit.bundle.canonical import canonical, digest_canonical
from audit.errors import AuditError

LOG_VERSION = "1"
DECISIONS = ("approve", "reject", "conditional")
# What is signed: the verdict and what it rests on. Provenance holds the digests of all tables.
SIGNED = ("verdict.json", "provenance.json", "summary.json", "per_class.csv")
# The page that was seen: noted, and not signed, since it shows the sign-off itself.
SEEN = ("report.html",)
# "The entry before" of the first one.
START = "0" * 64
MAX_TEXT = 4000
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision on one state of the results."""

    schema_version: str
    number: int
    """From 1."""
    when: str
    """When it was entered: UTC, ISO 8601, by this machine's clock."""
    date: str
    """The day of the decision, which may be before it was entered."""
    reviewer: str
    role: str
    decision: str
    """``approve``, ``reject`` or ``conditional``."""
    reason: str
    conditions: str | None
    """What has to hold; only of a conditional approval."""
    signed: dict[str, str]
    """File name -> SHA-256 of what was decided on."""
    seen: dict[str, str]
    """File name -> SHA-256 of pages that lay there; they may be made again."""
    before: str
    """Digest of the entry before."""
    digest: str
    """SHA-256 over all other keys in canonical JSON (RFC 8785)."""

    def line(self) -> bytes:
        """For the log."""
        return canonical(asdict(self)) + b"\n"


def sealed(values: Mapping[str, Any]) -> Entry:
    """The entry of these values, ``digest`` left out.

    Raises
    ------
    AuditError: a text is empty, too long or not Unicode; or the decision and its conditions do not
        go together.
    """
    for key in ("reviewer", "role", "reason", "conditions"):
        _check_text(key, values[key])
    if values["decision"] not in DECISIONS:
        raise AuditError(
            "is no decision", where="--decision", expected=", ".join(DECISIONS),
            received=values["decision"],
        )  # fmt: skip
    if (values["decision"] == "conditional") != (values["conditions"] is not None):
        raise AuditError(
            "a conditional decision states its conditions, and no other does", where="--conditions"
        )
    return Entry(**values, digest=digest_canonical(values))


def read_chain(data: bytes) -> tuple[tuple[Entry, ...], list[str]]:
    """The log's entries up to the first fault, and the faults: none where the chain holds."""
    entries: list[Entry] = []
    if data and not data.endswith(b"\n"):
        return (), ["the last entry is cut off"]
    for number, line in enumerate(data.splitlines(), start=1):
        before = entries[-1].digest if entries else START
        try:
            entry = _parsed(line)
            fault = _fault(entry, line, number, before)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return tuple(entries), [f"entry {number} is no entry"]
        if fault:
            return tuple(entries), [f"entry {number} {fault}"]
        entries.append(entry)
    return tuple(entries), []


def _parsed(line: bytes) -> Entry:
    values = json.loads(line)
    entry = Entry(**values)
    texts = ("schema_version", "when", "reviewer", "role", "decision", "reason", "before", "digest")
    files = [*entry.signed.items(), *entry.seen.items()]
    if not all(isinstance(values[key], str) for key in texts) or type(entry.number) is not int:
        raise TypeError("a value of another type")
    if not all(isinstance(n, str) and DIGEST.fullmatch(d) for n, d in files):
        raise ValueError("no digest")
    datetime.date.fromisoformat(entry.date)
    return entry


def _fault(entry: Entry, line: bytes, number: int, before: str) -> str | None:
    values = asdict(entry)
    values.pop("digest")
    if entry.schema_version != LOG_VERSION:
        return f"is of version {entry.schema_version}, not {LOG_VERSION}"
    if entry.digest != digest_canonical(values) or line + b"\n" != entry.line():
        return "was changed after it was signed"
    if entry.number != number:
        return f"has number {entry.number}: an entry was taken out or moved"
    if entry.before != before:
        return "does not follow the entry before it: one was taken out or changed"
    if set(entry.signed) != set(SIGNED) or entry.decision not in DECISIONS:
        return "does not sign what a sign-off signs"
    return None


def _check_text(key: str, text: str | None) -> None:
    if text is None and key == "conditions":
        return
    if not text or not text.strip() or len(text) > MAX_TEXT:
        raise AuditError(
            "is no text", where=f"--{key}", expected=f"1 to {MAX_TEXT} characters", received=text
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise AuditError("is not Unicode", where=f"--{key}", received=text) from None
