"""Standard error, as a terminal, as plain lines, or as lines of JSON."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress

from audit.progress.events import Event, wants_json

RENEW_INTERVAL = 0.2


class Screen:
    """Shows events; one of them at a time may be a line that renews itself."""

    def __init__(self) -> None:
        self.json = wants_json()
        self.terminal = not self.json and sys.stderr.isatty()
        self._renewed = False

    def show(self, event: Event) -> None:
        """A line that stays."""
        if self.json:
            self._write(event.as_json() + "\n")
        elif self.terminal:
            self._write(f"\r{event.as_text()}\x1b[K\n")
        else:
            self._write(event.as_text() + "\n")
        self._renewed = False

    def renew(self, event: Event) -> None:
        """A line that the next one takes the place of; only where :attr:`terminal`."""
        width = max(20, shutil.get_terminal_size().columns - 1)  # a line that wraps is not renewed
        self._write(f"\r{event.as_text()[:width]}\x1b[K")
        self._renewed = True

    def clear(self) -> None:
        """Take the renewed line away."""
        if self._renewed:
            self._write("\r\x1b[K")
        self._renewed = False

    def _write(self, text: str) -> None:
        # In one piece, since others write here, too. A terminal that was closed stops no work.
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
