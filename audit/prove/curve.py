"""The detection curve as an SVG, written plainly: points with intervals, joined by lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 52
# Colours that people with a colour deficiency can tell apart (Okabe & Ito 2008).
FOUND, FALSE = "#0072B2", "#D55E00"


class Point(NamedTuple):
    """A share of models at one strength of the shortcut."""

    strength: float
    k: int
    n: int
    low: float
    high: float


def curve(found: Sequence[Point], false: Sequence[Point]) -> str:
    """An SVG document: planted class flagged, and any other class flagged, by strength."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_axes(),
        # A little apart, so that neither hides the other.
        *_series(found, FOUND, -3),
        *_series(false, FALSE, 3),
        *_legend(("planted class flagged", FOUND), ("another class flagged", FALSE)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(strength: float) -> float:
    return LEFT + 8 + strength * (WIDTH - LEFT - RIGHT - 16)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes() -> list[str]:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _y(share)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * share:g} %</text>'
        )
        x = _x(share)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{share:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">'
        "share of the class's training pictures that carry the shortcut</text>"
    )
    return parts


def _series(points: Sequence[Point], colour: str, shift: float) -> list[str]:
    places = [(_x(p.strength) + shift, _y(p.k / p.n), p) for p in points if p.n]
    if not places:
        return []
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    parts = [f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for x, y, p in places:
        parts.append(
            f'<path d="M{x:.1f} {_y(p.low):.1f}V{_y(p.high):.1f}" stroke="{colour}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            f"<title>{p.k} of {p.n}</title></circle>"
        )
    return parts


def _legend(*entries: tuple[str, str]) -> list[str]:
    parts = []
    for number, (text, colour) in enumerate(entries):
        x = LEFT + 8 + 190 * number
        parts.append(f'<circle cx="{x}" cy="16" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="20">{text}</text>')
    return parts
