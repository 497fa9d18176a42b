"""One input through one parser, within a time and a memory: fine, refused, or a finding."""

from __future__ import annotations

import contextlib
import resource
import signal
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.errors import AuditError
from audit.images import UnreadableImage

from .target import Target

# A line that is longer is no line that a person reads.
LONGEST_LINE = 4000
REFUSED = (AuditError, UnreadableImage)
# Files that no disk needs to hold.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Overtime(BaseException):
    """Not an Exception, so that no parser takes it for a fault of its input."""


def outcome(target: Target, data: bytes, watch: Any = contextlib.nullcontext()) -> str:  # noqa: B008
    """``value``, ``refused``, or what is wrong with the parser, in one line.

    ``watch``: a context in which the parser, and nothing else, is run.
    """
    try:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder, _seconds(target.seconds), watch:
            target.parse(data, Path(folder))
    except REFUSED as error:
        return _fault_of_line(str(error)) or "refused"
    except Overtime:
        return f"takes more than {target.seconds} s"
    except MemoryError:
        return f"takes more than {target.megabytes} MB"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "/audit/" in f.filename]
        place = ours[-1] if ours else last
        where = f"{Path(place.filename).name}:{place.name}"
        return f"raises {type(error).__name__} at {where}: {str(error)[:200]!r}"
    return "value"


def is_finding(told: str) -> bool:
    return told not in ("value", "refused")


def limit_memory(megabytes: int) -> None:
    """No more than so much beyond what the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _fault_of_line(line: str) -> str:
    if not line.isprintable():
        return f"a message that is not one printable line: {line[:80]!r}"
    if len(line) > LONGEST_LINE:
        return f"a message of {len(line)} characters"
    return ""


@contextlib.contextmanager
def _seconds(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Overtime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
