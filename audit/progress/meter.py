"""Rates and times left, from counts at moments of a clock that never goes back."""

from __future__ import annotations

import time
from collections import deque

# Seconds over which the rate is taken: long enough for a batch of a slow method, short enough to
# follow a machine that is shared.
WINDOW = 900.0
# Seconds between two marks that are kept.
MARK_INTERVAL = 1.0
# Seconds between two lines where every line is kept; the longer the work, the fewer.
SHORTEST, LONGEST, SHARE = 10.0, 600.0, 1 / 60


class Meter:
    """How fast a count grows. Takes the monotonic clock: a wall clock may jump."""

    def __init__(self, done: float = 0.0) -> None:
        """``done``: what is there already, and counts towards no rate."""
        self._before = done
        self._now = self._began = time.monotonic()
        self._done = done
        self._marks = deque([(self._now, done)])

    @property
    def done(self) -> float:
        return self._done

    @property
    def seconds(self) -> float:
        """Since counting began, until the last count."""
        return self._now - self._began

    def count(self, done: float) -> None:
        """Note that ``done`` are done by now. Fewer than before: some are done again."""
        self._now = max(time.monotonic(), self._now)
        if done < self._done:
            self._before = done
            self._began = self._now
            self._marks = deque([(self._now, done)])
        self._done = done
        while len(self._marks) > 1 and self._now - self._marks[1][0] >= WINDOW:
            self._marks.popleft()
        if self._now - self._marks[-1][0] >= MARK_INTERVAL:
            self._marks.append((self._now, done))

    def rate(self) -> float | None:
        """Steps a second over the last :data:`WINDOW`; None as long as nothing is known."""
        then, done = self._marks[0]
        return _rate(self._done - done, self._now - then)

    def average(self) -> float | None:
        """Steps a second since counting began; None as long as nothing is known."""
        return _rate(self._done - self._before, self.seconds)

    def left(self, total: float) -> float | None:
        """Seconds until ``total`` are done, at the present rate; None as long as it is not known."""
        rate = self.rate()
        return None if rate is None else max(0.0, total - self._done) / rate


def _rate(steps: float, seconds: float) -> float | None:
    # A first step that is not whole yet says little.
    return steps / seconds if steps >= 1 and seconds > 0 else None


def plain_interval(seconds: float) -> float:
    """Seconds until the next plain line, ``seconds`` after the beginning: 10 s, 10 min at most."""
    return min(LONGEST, max(SHORTEST, SHARE * seconds))


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
