"""Pages from templates: one file each, nothing fetched from anywhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from audit import __version__

# Not observed: never a 0.
NOTHING = "–"
MAX_NAME = 200


def render(template: str, **data: Any) -> str:
    """A page from ``templates/``; a name that the template asks for and is not given is an error."""
    script = _static("page.js")
    return _environment().get_template(template).render(
        version=__version__,
        style=Markup(_static("page.css")),
        script=Markup(script),
        script_digest=_digest(script),
        **data,
    )  # fmt: skip


def figure(value: Any, digits: int = 2) -> str:
    """A number with so many decimals; a dash where it was not observed."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    # A zero has no sign once it is rounded.
    return f"{value:,}" if isinstance(value, int) else f"{round(value, digits) + 0.0:.{digits}f}"


def percent(value: Any, digits: int = 0) -> str:
    """A share as per cent. What is not quite all, or not quite nothing, does not look like it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    told = f"{100 * value:.{digits}f}"
    if 0 < value < 1 and digits < 3 and float(told) in (0, 100):
        return percent(value, digits + 1)
    return f"{told} %"


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """Both limits, or a dash."""
    told = [figure(v, digits) for v in (low, high)]
    return NOTHING if NOTHING in told else f"{told[0]} to {told[1]}"


def probability(p: Any) -> str:
    """A p-value: three decimals, and no 0 where it is only small."""
    if p is None or not math.isfinite(p):
        return NOTHING
    return "< .001" if p < 0.001 else f"{p:.3f}"


def shown_text(text: Any) -> str:
    """Text in which what does not print is told as its number.

    Marks that turn the direction of writing would make a name look like another one.
    """
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def shown_name(text: Any) -> str:
    """:func:`shown_text`, cut where it is too long for a name."""
    told = shown_text(text)
    return told if len(told) <= MAX_NAME else told[: MAX_NAME - 1] + "…"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("audit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (figure, percent, interval, probability, shown_name, shown_text)
    environment.filters |= {function.__name__: function for function in filters}
    return environment


@cache
def _static(name: str) -> str:
    return files("audit.report").joinpath("static", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the content security policy lets run: this script and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
