"""The one kind of error that a user is meant to read.

Every fault in the input (config, model, annotations, images) is raised as an :class:`AuditError`
and printed as one line. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What a message quotes from the input: long enough to recognise, short enough for one line.
MAX_QUOTED = 120


class AuditError(Exception):
    """Bad input, told in one line.

    Parameters
    ----------
    what: what is wrong, as a short clause ("box has no number").
    where: file, line, image or config key at which it was found.
    expected: what would have been right.
    received: what was there instead; quoted and shortened.
    hint: what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.received = received
        self.hint = hint
        super().__init__(self.line())

    def line(self) -> str:
        """The whole message on one line."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.received is not None:
            text += f", received {quote(self.received)}"
        if self.hint:
            text += f"; {self.hint}"
        return one_line(text)


def one_line(text: str) -> str:
    """``text`` without line breaks or control characters, which a hostile file name may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quote(value: object) -> str:
    """``repr`` of a value from the input, shortened to :data:`MAX_QUOTED` characters."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint that names the closest valid choice, or all of them where none is close."""
    known = sorted(map(str, choices))
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"the choices are: {shown}" if known else "there are no choices"
