"""``stages/heartbeat.json``: for schedulers and people who look from outside whether a run moves.

====================== =========================================================================
schema_version         of this file
pid, host              of ``focus-audit run``
state                  running, finished, failed, stopped
exit_code              of ``focus-audit run``; null while it runs
stage                  the stage that is at work, or was last
done, total, what      how far: of the whole audit's images while they are explained and scored,
                       else of the stage's own steps; null where nothing is counted
started                when the run began
updated                when this file was written: the run is alive
progressed             when a job last moved: the work is, too
====================== =========================================================================

Times are UTC to the second, so that ``jq`` reads them: a check that fails when the run has died, or
nothing has moved for an hour, is::

    jq -e '.state == "finished" or (.state == "running" and now - (.updated | fromdate) < 120
      and now - (.progressed | fromdate) < 3600)' reports/NAME/stages/heartbeat.json

The file is no result: no table, hash or bundle has it.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit.errors import AuditError
from audit.tables.atomic import write_json
from audit.tables.version import SCHEMA_VERSION

# Seconds between two beats.
BEAT_INTERVAL = 5.0


class Heartbeat:
    """Writes the file; a disk that is full stops no run on its account."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = self._progressed = _now()
        self._seen: Any = None
        self._beaten: float | None = None

    def beat(self, moved: Any, **where: Any) -> None:
        """Write the file if the last beat is some seconds ago.

        ``moved``: anything that differs when work was done since the last call; ``where``: stage,
        done, total, what.
        """
        if moved != self._seen:
            self._seen, self._progressed = moved, _now()
        now = time.monotonic()
        if self._beaten is None or now - self._beaten >= BEAT_INTERVAL:
            self._beaten = now
            self._write("running", None, where)

    def end(self, state: str, exit_code: int, **where: Any) -> None:
        """The last beat."""
        self._write(state, exit_code, where)

    def _write(self, state: str, exit_code: int | None, where: dict[str, Any]) -> None:
        values = {
            "schema_version": SCHEMA_VERSION,
            "pid": os.getpid(),
            "host": platform.node(),
            "state": state,
            "exit_code": exit_code,
            **{name: where.get(name) for name in ("stage", "done", "total", "what")},
            "started": self._started,
            "updated": _now(),
            "progressed": self._progressed,
        }
        with suppress(AuditError):
            write_json(self._path, values)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
