"""``--log-format``: what goes to standard error, as text for people or as a line of JSON an event."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from types import TracebackType

from audit.progress import Event, Screen
from audit.progress.events import FORMATS, LOG_FORMAT, wants_json

# Of a traceback, its end is kept: a line under 4096 bytes arrives whole.
MAX_TRACEBACK = 2000


def add_log_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        help="of the lines on standard error: text (default), or json, an object a line",
    )


def set_log_format(name: str | None, stage: str, shard: str | None = None) -> None:
    """Use the format from here on, in the programs that are started, too.

    ``name`` None leaves it as the caller of this program has set it. With JSON, a warning and the
    traceback of a fault are one line each as well.
    """
    if name is not None:
        os.environ[LOG_FORMAT] = name
    if not wants_json():
        return
    screen = Screen()

    def warn(message: Warning | str, *args: object) -> None:
        screen.show(Event(stage, "warning", str(message), shard))

    def fail(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        trace = "".join(traceback.format_exception(kind, error, where))[-MAX_TRACEBACK:]
        text = f"{kind.__name__}: {error}"
        screen.show(Event(stage, "error", text, shard, {"traceback": trace}))

    warnings.showwarning = warn
    sys.excepthook = fail


def tell_error(stage: str, text: str) -> None:
    """A fault of the input, as the one line that a user reads."""
    Screen().show(Event(stage, "error", text))
