"""What is told while work goes on: one event is one line, of text or of JSON.

The fields of a JSON line (``--log-format json``), in this order; those that an event does not have
are left out:

============= ==================================================================================
time          UTC, ISO 8601, with milliseconds; the wall clock's
level         info, warning, error
stage         the verb: explain, score, ...; run for the whole audit
shard         name of the shard; null where the event is about all of them, or there are none
event         started, progress, message, warning, error, finished
text          the same in words, on one line
done, total   progress: steps that are done, those of an earlier run too, and steps in all
what          progress: what a step is ("images explained")
rate_per_s    progress: steps a second in this run, lately; null before anything is known
left_s        progress: seconds that the rest takes at that rate, about; null where not known
shards_scored progress of run: shards that are explained and scored
shards        progress of run: shards in all
exit_code     finished: exit code of the run or stage
traceback     error: where a fault of the program came up
============= ==================================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from audit.errors import one_line, shorten

# Set by ``--log-format``; inherited by the stages that a run starts.
LOG_FORMAT = "FOCUS_AUDIT_LOG_FORMAT"
FORMATS = ("text", "json")
ERROR_PREFIX = "focus-audit: error: "
LEVELS = {"warning": "warning", "error": "error"}
# Several processes write to one pipe: lines under 4096 bytes arrive whole (POSIX, PIPE_BUF).
MAX_TEXT = 900
_START = '{"time": '


@dataclass(frozen=True)
class Event:
    """One thing that is told; ``numbers`` holds the fields that only some events have."""

    stage: str
    event: str
    text: str
    shard: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """A line for people; control characters of a name in it are escaped."""
        prefix = ERROR_PREFIX if self.event == "error" else f"focus-audit {self.stage}: "
        return one_line(prefix + self.text)

    def as_json(self) -> str:
        """A line for machines, stamped with the time of the call."""
        values = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": LEVELS.get(self.event, "info"),
            "stage": self.stage,
            "shard": self.shard,
            "event": self.event,
            "text": shorten(one_line(self.text), MAX_TEXT),
            **self.numbers,
        }
        return json.dumps(values, ensure_ascii=False, allow_nan=False)


def read_event(line: str) -> Event | None:
    """The event of a line that :meth:`Event.as_json` made; None for any other line."""
    if not line.startswith(_START):
        return None
    try:
        values = json.loads(line)
        named = {name: values.pop(name) for name in ("stage", "event", "text", "shard")}
    except (ValueError, KeyError):
        return None
    for name in ("time", "level"):
        values.pop(name, None)
    return Event(**named, numbers=values)


def wants_json() -> bool:
    """Whether lines of JSON were asked for."""
    return os.environ.get(LOG_FORMAT) == "json"
