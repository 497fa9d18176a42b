"""Snakemake as a child: its lines as they come, and an end without orphans."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from audit.errors import AuditError
from audit.progress.events import LOG_FORMAT
from audit.stages.layout import Layout
from audit.stages.lock import HELD
from audit.stages.signals import Wish, paused_by
from audit.stages.watch import Watch

TICK = 0.2
# Seconds that stages have to end in after a signal, and Snakemake to cancel jobs on a cluster.
# Schedulers kill 30 s after theirs; what is killed loses no more than what is stopped.
GRACE = 20.0
# Seconds for which what Snakemake started may outlive it.
LINGER = 2.0
# What is looked through for the reason of a failure.
MAX_LINES = 50_000


@dataclass(frozen=True)
class Ended:
    """How Snakemake ended."""

    code: int
    lines: Sequence[str]


def relay(command: Sequence[str], layout: Layout, lock: int, watch: Watch, wish: Wish) -> Ended:
    """Run Snakemake; its own words go to a log, our stages' lines to ``watch``.

    It is a process group of its own, so that Ctrl-C reaches this process alone, which then ends the
    others in order: when this returns, none of them is alive.
    """
    env = {
        **os.environ,
        HELD: "1",
        LOG_FORMAT: "json",
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    lines: deque[str] = deque(maxlen=MAX_LINES)
    watch.begin()
    try:
        with (
            layout.snakemake_log.open("w", encoding="utf-8") as log,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=env, pass_fds=[lock], process_group=0, bufsize=0,
            ) as process,
        ):  # fmt: skip
            group = Group(process, watch, wish)
            with group.ended(), paused_by(group.pause):
                for line in group.lines():
                    if line is not None:
                        lines.append(watch.line(line))
                        log.write(lines[-1] + "\n")
                    group.wind_up()
                    watch.tick()
    except OSError as error:  # as when the disk is full
        reason = error.strerror or str(error)
        raise AuditError(f"cannot go on: {reason}", where=str(layout.snakemake_log)) from error
    return Ended(process.returncode, lines)


class Group:
    """Snakemake and all that it started on this machine."""

    def __init__(self, process: subprocess.Popen[bytes], watch: Watch, wish: Wish) -> None:
        self._process = process
        self._watch = watch
        self._wish = wish
        self._asked = False
        self._gone: float | None = None

    def lines(self) -> Iterator[str | None]:
        """Lines without their ends, and None when none has come for a moment; until all have ended."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not self._outlived():
                if not selector.select(TICK):
                    yield None
                    continue
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    break
                *whole, rest = (rest + data).split(b"\n")
                yield from map(_text, whole)
        if rest:
            yield _text(rest)

    def wind_up(self) -> None:
        """Do what a signal asks for."""
        if self._wish.stopped and not self._asked:
            self._asked = True
            self._watch.stopping()
            # To all of them at once: Snakemake starts nothing more and cancels jobs elsewhere, the
            # stages tidy up.
            self._send(signal.SIGINT)
        if self._wish.again or self._wish.seconds > GRACE:
            self.kill()

    @contextmanager
    def ended(self) -> Iterator[None]:
        """None of them is alive after the block, however it ends."""
        try:
            yield
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LINGER)  # it closes its output a moment before it ends
        finally:
            self.kill()

    def pause(self) -> None:
        """Ctrl-Z: all of them stop, and go on with us."""
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """Whatever is left of them ends now."""
        self._send(signal.SIGKILL)

    def _outlived(self) -> bool:
        """Whether Snakemake ended a while ago, and something still holds its output."""
        if self._process.poll() is None:
            return False
        self._gone = self._gone or time.monotonic()
        return time.monotonic() - self._gone > LINGER

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
