"""What a stage counts its work with."""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TextIO

from audit.progress.events import Event
from audit.progress.meter import Meter, duration, plain_interval
from audit.progress.screen import RENEW_INTERVAL, Screen

# Seconds between two writes of the file that tells others how far the stage is.
FILE_INTERVAL = 2.0


class Progress:
    """Counts steps and says how many are done, how fast, and how long the rest will take.

    Parameters
    ----------
    label: the verb.
    log: gets the lines as text, whatever standard error gets.
    quiet: nothing goes to standard error.
    shard: name of the shard that is worked on.
    file: kept up to date for whoever watches the whole run, which may be another machine's; goes
        away with :meth:`close`.
    """

    def __init__(
        self,
        label: str,
        log: TextIO | None = None,
        quiet: bool = False,
        shard: str | None = None,
        file: Path | None = None,
    ) -> None:
        self.label = label
        self._log = log
        self._screen = None if quiet else Screen()
        self._shard = shard
        self._file = file
        self._total = 0
        self._done = 0.0
        self._what = ""
        self._meter = Meter()
        self._lock = Lock()
        self._told = self._renewed = self._kept = time.monotonic()

    def start(self, total: int, what: str) -> None:
        """Begin counting ``total`` steps of ``what`` ("images explained")."""
        self._total, self._what, self._done = total, what, 0.0
        self._meter = Meter()
        self._told = self._renewed = time.monotonic()
        self._keep(self._told)

    def step(self, count: float = 1) -> None:
        """Count ``count`` steps more; a part of one where a step takes long. From any thread."""
        with self._lock:
            self._step(count)

    def _step(self, count: float) -> None:
        self._done += count
        self._meter.count(self._done)
        now = time.monotonic()
        if now - self._told >= plain_interval(self._meter.seconds):
            self._told = now
            self._tell(self._progress(self._meter.rate()), renewed=True)
        if self._on_terminal() and now - self._renewed >= RENEW_INTERVAL:
            self._renewed = now
            self._screen.renew(self._progress(self._meter.rate()))
        if now - self._kept >= FILE_INTERVAL:
            self._keep(now)

    def finish(self) -> None:
        """Say the final count."""
        self._meter.count(self._done)
        self._tell(self._progress(self._meter.average()))
        self._keep(time.monotonic())

    def say(self, text: str) -> None:
        """A plain line. From any thread."""
        with self._lock:
            self._tell(Event(self.label, "message", text, self._shard))

    def begin(self) -> None:
        """The stage starts: for machines alone."""
        self._mark(Event(self.label, "started", "begins", self._shard))

    def end(self, exit_code: int, text: str = "") -> None:
        """The stage has ended: for machines alone, unless there is something to say."""
        event = Event(
            self.label, "finished", text or "is done", self._shard, {"exit_code": exit_code}
        )
        if text:
            self._tell(event)
        else:
            self._mark(event)

    def close(self) -> None:
        """The work has ended, well or not."""
        if self._screen is not None:
            self._screen.clear()
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _mark(self, event: Event) -> None:
        if self._screen is not None and self._screen.json:
            self._screen.show(event)

    def _on_terminal(self) -> bool:
        return self._screen is not None and self._screen.terminal

    def _progress(self, rate: float | None) -> Event:
        # Parts may add up to a hair less than the whole.
        done = int(self._done + 1e-6)
        left = self._meter.left(self._total) if done < self._total else None
        numbers = {
            "done": done,
            "total": self._total,
            "what": self._what,
            "rate_per_s": rounded(rate),
            "left_s": rounded(left),
        }
        text = f"{done}/{self._total} {self._what}" + pace_in_words(rate, left)
        return Event(self.label, "progress", text, self._shard, numbers)

    def _tell(self, event: Event, renewed: bool = False) -> None:
        """Into the log and onto the screen; ``renewed``: a terminal shows it in its own way."""
        if self._log is not None:
            self._log.write(event.as_text() + "\n")
            self._log.flush()
        if self._screen is not None and not (renewed and self._screen.terminal):
            self._screen.show(event)

    def _keep(self, now: float) -> None:
        """Write the file. It is lost with a crash, and no fault of it is the work's."""
        self._kept = now
        if self._file is None:
            return
        values = {
            "stage": self.label,
            "shard": self._shard,
            "done": int(self._done + 1e-6),
            "total": self._total,
            "what": self._what,
        }
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}.part")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(values), encoding="utf-8")
            temporary.replace(self._file)


def pace_in_words(rate: float | None, left: float | None) -> str:
    """What follows a count: rate and time left, as far as they are known."""
    text = "" if rate is None else f", {rate:.1f}/s"
    return text if left is None else f"{text}, {duration(left)} left"


def rounded(value: float | None) -> float | None:
    """Three decimals; None for what is no number."""
    return None if value is None or not math.isfinite(value) else round(value, 3)
