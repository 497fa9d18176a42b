"""One run at a time on one results folder."""

from __future__ import annotations

import fcntl
import os

from audit.errors import AuditError
from audit.stages.layout import Layout

# Set by `focus-audit run`, which holds the lock for the Snakemake that it starts.
HELD = "FOCUS_AUDIT_HOLDS_LOCK"


def take_lock(layout: Layout) -> int:
    """File descriptor that holds the audit's lock.

    The system lets go of it when the last process that has it open is gone, however it ended: a
    lock that is held means a run that is alive.

    Raises
    ------
    AuditError: another run holds it, or the results folder cannot be written to.
    """
    try:
        layout.stages.mkdir(parents=True, exist_ok=True)
        layout.snakemake_log.parent.mkdir(exist_ok=True)
        handle = os.open(layout.stages / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise AuditError(
            f"cannot be written to: {error.strerror}", where=str(layout.root)
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise AuditError(
            "another run is at work on this audit",
            where=str(layout.root),
            hint="wait for it to end",
        ) from None
    return handle
