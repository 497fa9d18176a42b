"""Trends over runs as one SVG document: a panel a class, the time from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from markupsafe import escape

from audit.report.page import shown_name

WIDTH, PANEL, TOP = 720, 190, 40
LEFT, RIGHT, ABOVE, BELOW = 44, 20, 34, 34
# Texts under and over the axis fit when they are this far apart, pixels.
APART, APART_ABOVE = 96, 140
MAX_TITLE = 90
SKILL = "energy_skill"
# Figure -> what it is called, its colour (Okabe & Ito 2008), its line's dashes and its mark. Colour
# never tells two lines apart alone.
LINES = {
    "pointing_accuracy": ("pointing accuracy", "#0072B2", "", "circle"),
    "background_focused_rate": ("background-focused rate", "#D55E00", "6 3", "square"),
    SKILL: ("energy skill", "#008a63", "2 3", "triangle"),
}


class Trend(NamedTuple):
    """One panel."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    """Runs, the oldest first: ``finished`` and the figures with their limits, None for not observed."""
    changes: Sequence[str]
    """What became of the verdict in each run; empty where it stayed."""


class _Panel(NamedTuple):
    """Where a panel's values lie in the picture."""

    top: float
    xs: list[float]
    least: float

    def y(self, value: float) -> float:
        share = (min(max(value, self.least), 1) - self.least) / (1 - self.least)
        return self.bottom - share * (PANEL - ABOVE - BELOW)

    @property
    def bottom(self) -> float:
        return self.top + PANEL - BELOW


def draw(trends: Sequence[Trend]) -> str:
    """The whole document. A figure that was not observed is a gap."""
    height = TOP + PANEL * len(trends) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11" role="img" '
        'aria-label="Trends of audits, a panel a class, with 95 % intervals">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    for number, trend in enumerate(trends):
        skills = [
            v for row in trend.rows for v in (row[SKILL], row[f"{SKILL}_low"]) if v is not None
        ]
        least = (
            -1.0 if min(skills, default=0) < -0.5 else -0.5 if min(skills, default=0) < 0 else 0.0
        )
        panel = _Panel(TOP + PANEL * number, _places(trend.rows), least)
        parts += _frame(panel, trend)
        for place, name in enumerate(LINES):
            # A little apart, so that no interval hides another.
            parts += _line(panel, trend.rows, name, 3.0 * (place - 1))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """x of each run, by its time; runs of one moment stand in the middle."""
    times = [datetime.fromisoformat(row["finished"]).timestamp() for row in rows]
    left, width = LEFT + 24, WIDTH - LEFT - RIGHT - 48
    span = times[-1] - times[0]
    return [left + width * ((t - times[0]) / span if span else 0.5) for t in times]


def _frame(panel: _Panel, trend: Trend) -> Iterator[str]:
    title = shown_name(trend.title)
    title = title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
    yield _text(LEFT, panel.top + 12, title, weight="bold")
    for value in (0, 0.5, 1) if panel.least == 0 else (panel.least, 0, 0.5, 1):
        y = panel.y(value)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
        yield _text(LEFT - 6, y + 4, f"{value:g}", "end")
    shown = 16 if len({row["finished"][:10] for row in trend.rows}) == 1 else 10
    last, above = -APART, -APART_ABOVE
    for x, row, change in zip(panel.xs, trend.rows, trend.changes, strict=True):
        if x - last >= APART:
            when = row["finished"][:shown].replace("T", " ")
            yield _text(x, panel.bottom + 16, when, "middle")
            last = x
        yield f'<path d="M{x:.1f} {panel.bottom:.1f}v4" stroke="#555555"/>'
        if change:
            yield (
                f'<path d="M{x:.1f} {panel.top + ABOVE - 6:.1f}V{panel.bottom:.1f}" stroke="#555555" '
                'stroke-dasharray="1 3"/>'
            )
            anchor = "end" if x > WIDTH * 0.8 else "start" if x < WIDTH * 0.2 else "middle"
            told = shown_name(change) if x - above >= APART_ABOVE else "!"
            yield _text(x, panel.top + ABOVE - 9, told, anchor)
            above = x


def _line(
    panel: _Panel, rows: Sequence[Mapping[str, Any]], name: str, shift: float
) -> Iterator[str]:
    """A figure's line, broken where it was not observed, with intervals and marks."""
    _, colour, dashes, mark = LINES[name]
    path, draws = "", False
    for x, row in zip(panel.xs, rows, strict=True):
        value = row[name]
        if value is not None:
            path += f"{'L' if draws else 'M'}{x + shift:.1f} {panel.y(value):.1f}"
        draws = value is not None
    if path:
        yield f'<path d="{path}" {_stroke(colour, dashes)}/>'
    for x, row in zip(panel.xs, rows, strict=True):
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if value is None:
            continue
        if low is not None and high is not None:
            yield (
                f'<path d="M{x + shift:.1f} {panel.y(low):.1f}V{panel.y(high):.1f}" '
                f'stroke="{colour}" stroke-width="1.2"/>'
            )
        told = f"{row['finished'][:16]}: {LINES[name][0]} {value:.3f}"
        yield _mark(mark, x + shift, panel.y(value), colour, told)


def _mark(kind: str, x: float, y: float, colour: str, told: str) -> str:
    shape = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">',
        "square": f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="white" '
        f'stroke="{colour}" stroke-width="1.5">',
        "triangle": f'<path d="M{x:.1f} {y - 4.5:.1f}l4.5 8h-9z" fill="{colour}">',
    }[kind]
    return f"{shape}<title>{escape(told)}</title></{shape[1 : shape.index(' ')]}>"


def _legend() -> Iterator[str]:
    for number, (name, colour, dashes, mark) in enumerate(LINES.values()):
        x = LEFT + 190 * number
        yield f'<path d="M{x} 18h34" {_stroke(colour, dashes)}/>'
        yield _mark(mark, x + 17, 18, colour, name)
        yield _text(x + 42, 22, name)


def _stroke(colour: str, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'fill="none" stroke="{colour}" stroke-width="1.6"{dashed}'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
