"""Charts as static SVG: no script, prints as it looks, and says in words what it shows.

Numbers are cut to a tenth of a unit of the picture: a report has hundreds of these.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import cv2
import numpy as np
from markupsafe import Markup, escape

from audit.report.overlay import coloured

Points = Sequence[tuple[float, float | None]]


def interval_plot(
    value: float | None,
    low: float | None,
    high: float | None,
    chance: float | None = None,
    center: float | None = None,
    told: str = "",
) -> Markup:
    """A share in [0, 1] with its interval; chance as a bar across, the centre's share as a ring.

    ``told``: what it shows, for those who do not see it.
    """
    left, width, middle = 6, 188, 11
    parts = [
        f'<path class="axis" d="M{left} 20h{width}M{left} 17v6M100 17v6M{left + width} 17v6"/>'
    ]
    if _seen(chance):
        parts.append(f'<path class="chance" d="M{_at(chance)} 2v18"/>')
    if _seen(center):
        parts.append(f'<circle class="center" cx="{_at(center)}" cy="{middle}" r="5"/>')
    if _seen(low) and _seen(high):
        parts.append(f'<path class="interval" d="M{_at(low)} {middle}H{_at(high)}"/>')
    if _seen(value):
        parts.append(f'<circle class="value" cx="{_at(value)}" cy="{middle}" r="4"/>')
    return _svg(200, 24, parts, told)


def line_chart(
    lines: Sequence[tuple[str, Points]], cut: float | None, x_name: str, told: str
) -> Markup:
    """Up to two lines over [0, 1] x [0, 1], a cut marked on the x axis.

    ``lines``: name and (x, y) points; a y of None breaks the line.
    """
    parts = [
        '<path class="axis" d="M34 10V150H300M34 80H300M34 10H300"/>',
        *(_text(28, y, label, "end") for y, label in ((14, "1"), (84, "0.5"), (154, "0"))),
        *(_text(34 + 266 * x, 166, f"{x:g}", "middle") for x in (0, 0.5, 1)),
        _text(300, 181, x_name, "end"),
    ]
    if _seen(cut):
        parts.append(f'<path class="cut" d="M{34 + 266 * cut:.1f} 10V150"/>')
    for number, (name, points) in enumerate(lines):
        css = ("curve", "second")[number]
        parts.append(f'<path class="{css}" d="{_path(points)}"/>')
        y = 184 + 15 * number
        parts += [f'<path class="{css}" d="M34 {y - 4}h22"/>', _text(62, y, name)]
    return _svg(310, 178 + 15 * len(lines), parts, told)


def bars(counts: Sequence[tuple[str, int]], told: str) -> Markup:
    """Counts as bars, one under the other, each with its name and number."""
    most = max([count for _, count in counts], default=0) or 1
    parts = []
    for number, (name, count) in enumerate(counts):
        y = 18 * number
        parts.append(_text(118, y + 13, _short(name), "end"))
        parts.append(f'<path class="column" d="M124 {y + 3}h{150 * count / most:.1f}v13H124z"/>')
        parts.append(_text(128 + 150 * count / most, y + 13, f"{count:,}"))
    return _svg(330, 18 * len(counts) + 4, parts, told)


def map_picture(
    values: np.ndarray, box: tuple[float, float, float, float] | None, told: str
) -> Markup:
    """A mean map, float (h, w) in [0, 1], with a frame xyxy as shares of the picture."""
    picture = cv2.cvtColor(coloured(np.clip(values, 0, 1)), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".png", picture)
    if not ok:
        raise ValueError("a map could not be written as PNG")
    uri = f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
    parts = [f'<image href="{uri}" width="200" height="200" preserveAspectRatio="none"/>']
    if box is not None:
        x0, y0, x1, y1 = (200 * v for v in box)
        shape = f'd="M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}z"'
        parts += [f'<path class="frame under" {shape}/>', f'<path class="frame" {shape}/>']
    return _svg(200, 200, parts, told)


def _svg(width: int, height: int, parts: Sequence[str], told: str) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(told)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    at = f'x="{x:.1f}" y="{y:.1f}"' + ("" if anchor == "start" else f' text-anchor="{anchor}"')
    return f"<text {at}>{escape(text)}</text>"


def _path(points: Points) -> str:
    """Moves and lines; a point that was not observed ends a line."""
    told, draws = [], False
    for x, y in points:
        if not _seen(y):
            draws = False
            continue
        told.append(f"{'L' if draws else 'M'}{34 + 266 * x:.1f} {150 - 140 * y:.1f}")
        draws = True
    return "".join(told)


def _at(share: float) -> str:
    return f"{6 + 188 * min(max(share, 0), 1):.1f}"


def _seen(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
