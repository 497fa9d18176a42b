"""Progress of long work: one line that renews itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

# Seconds between two lines where every line is kept.
PLAIN_INTERVAL = 10.0
TERMINAL_INTERVAL = 0.2


class Progress:
    """Counts steps and says how many are done, how fast, and how long the rest will take.

    Lines go to standard error and, where a log is given, to the log as well.
    """

    def __init__(self, label: str, log: TextIO | None = None, quiet: bool = False) -> None:
        self.label = label
        self._log = log
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._total = 0
        self._done = 0.0
        self._what = ""
        self._began = self._told = time.monotonic()

    def start(self, total: int, what: str) -> None:
        """Begin counting ``total`` steps of ``what`` ("images explained")."""
        self._total, self._what, self._done = total, what, 0.0
        self._began = self._told = time.monotonic()

    def step(self, count: float = 1) -> None:
        """Count ``count`` steps more; a part of one where a step takes long."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= (TERMINAL_INTERVAL if self._terminal else PLAIN_INTERVAL):
            self._told = now
            self._show(self._line(now), renew=True)

    def finish(self) -> None:
        """Say the final count."""
        self._show(self._line(time.monotonic()), renew=False)

    def say(self, text: str) -> None:
        """A plain line."""
        self._show(text, renew=False)

    def _line(self, now: float) -> str:
        seconds = max(now - self._began, 1e-6)
        rate = self._done / seconds
        # Parts may add up to a hair less than the whole.
        text = f"{int(self._done + 1e-6)}/{self._total} {self._what}, {rate:.1f}/s"
        if 1 <= self._done < self._total:
            text += f", {duration((self._total - self._done) / rate)} left"
        return text

    def _show(self, text: str, renew: bool) -> None:
        line = f"focus-audit {self.label}: {text}"
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()
        if self._quiet:
            return
        if self._terminal:
            line = f"\r{line}\x1b[K" + ("" if renew else "\n")
        else:
            line += "\n"
        sys.stderr.write(line)
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """As people say it: 3 h 8 min, 5 min 2 s, 40 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
