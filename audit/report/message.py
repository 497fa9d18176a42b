"""A run's verdict as one short message that a scheduler or webhook may post anywhere.

Class names come from others, and chat programs read more than words: marks that call people, links,
and characters that do not print. What is posted is words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.report.page import shown_name

MAX_TEXT = 500
MAX_REASON = 300
# Slack and its like call people by <!channel> and @here, and make links of <...> and of addresses.
READ_AS_MARKUP = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'", "*": "∗", "|": "¦"})
# Classes by state that need a look, most urgent first.
FOREMOST = ("flagged", "inconclusive", "insufficient")


def plain(text: str, limit: int | None = None) -> str:
    """Text on one line that no chat program takes for more; cut to ``limit`` characters."""
    words = " ".join(text.split())
    shown = "".join(shown_name(c) for c in words).translate(READ_AS_MARKUP).replace("://", ": //")
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def message(
    name: str, result: str, date: str, classes: Mapping[str, Sequence[str]], reasons: Sequence[str]
) -> str:
    """The verdict in at most :data:`MAX_TEXT` characters. ``classes``: verdict -> names."""
    total = sum(len(names) for names in classes.values())
    states = ", ".join(f"{len(names)} {state}" for state, names in classes.items() if names)
    named = [f"{state}: {', '.join(classes[state])}." for state in FOREMOST if classes.get(state)]
    told = [
        f"Focus Audit of {name} on {date}: {result.upper()}.",
        f"{total} {'class' if total == 1 else 'classes'}{': ' + states if states else ''}.",
        *(f"{reason.rstrip('.')}." for reason in reasons),
        *named,
    ]
    return plain(" ".join(told), MAX_TEXT)
