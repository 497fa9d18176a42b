"""SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal): an orderly end instead of a traceback."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A signal that comes this soon after the first is the same wish: a wrapper passes Ctrl-C on that the
# terminal has sent us already.
SAME_WISH = 0.5


class Stopped(KeyboardInterrupt):
    """A signal ended the work; no ``Exception``, so that nothing on the way takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell makes of it: 130, 143, 129."""
        return 128 + self.number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}"


class Wish:
    """Remembers the signals that came; for work that has to be wound up in order."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self.again = False
        """Whether the wish was repeated: stop at once."""

    def __call__(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = number, now
        elif now - self._first[1] >= SAME_WISH:
            self.again = True

    @property
    def stopped(self) -> Stopped | None:
        """The first signal; None before there is one."""
        return None if self._first is None else Stopped(self._first[0])

    @property
    def seconds(self) -> float:
        """Since the first signal."""
        return 0.0 if self._first is None else time.monotonic() - self._first[1]


@contextmanager
def caught(
    handler: Callable[[int, object], None], numbers: Sequence[int] = STOPPING
) -> Iterator[None]:
    """Give signals to ``handler``, but for those that the caller chose to ignore, as nohup does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hands signals to the main thread alone
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number, old in before.items():
        # Not ignored, since the programs that we start would inherit that.
        signal.signal(number, _deaf if old is signal.SIG_IGN else handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def paused_by(pause: Callable[[], None]) -> AbstractContextManager[None]:
    """Call ``pause`` on SIGTSTP (Ctrl-Z)."""
    return caught(lambda number, frame: pause(), [signal.SIGTSTP])


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The block ends with :class:`Stopped` on a signal, and so does what fails on account of one."""
    owner, numbers = os.getpid(), []

    def stop(number: int, frame: object) -> None:
        if os.getpid() != owner:  # a forked worker has nothing to tidy up
            os._exit(128 + number)
        numbers.append(number)
        raise Stopped(number)

    with caught(stop):
        try:
            yield
        except Exception as error:
            if numbers:  # as when the workers were stopped first
                raise Stopped(numbers[0]) from error
            raise


def _deaf(number: int, frame: object) -> None:
    """No effect."""
