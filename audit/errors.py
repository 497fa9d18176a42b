"""The one kind of error that a user is meant to read.

Every fault in the input (config, model, annotations, images) is raised as an :class:`AuditError`
and printed as one line. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What a message quotes from the input: long enough to recognise, short enough for one line.
MAX_QUOTED = 120
# The whole line, of which a name from the input may be most.
MAX_LINE = 2000
# A longer name is compared with no other: that takes the square of its length.
MAX_NAME = 200


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
        return _cut(one_line(text))


def one_line(text: str) -> str:
    """``text`` without line breaks or control characters, which a hostile file name may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _cut(line: str) -> str:
    """The beginning and the end of a long line: the hint stands last."""
    half = MAX_LINE // 2
    return line if len(line) <= MAX_LINE else f"{line[:half]} ... {line[-half:]}"


def shorten(text: str, most: int) -> str:
    """The beginning of a text that has more than ``most`` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def quote(value: object) -> str:
    """``repr`` of a value from the input, shortened to :data:`MAX_QUOTED` characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
        return f"a value of type {type(value).__name__} that is too large to show"
    return shorten(text, MAX_QUOTED)


def first_line(error: Exception) -> str:
    """What another's exception says, without its further lines; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def is_unicode(text: str) -> bool:
    """Whether a text can be written to a file, as half of a surrogate pair in JSON or YAML cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint that names the closest valid choice, or all of them where none is close."""
    name, known = str(name), sorted(map(str, choices))
    short = [choice for choice in known if len(choice) <= MAX_NAME]
    close = difflib.get_close_matches(name, short, n=1) if len(name) <= MAX_NAME else []
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"the choices are: {shown}" if known else "there are no choices"
