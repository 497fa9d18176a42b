"""Cost against size as one SVG document: seconds and megabytes of each stage, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

# Okabe and Ito's colours, and dashes beside them: colour alone tells no two lines apart.
COLOURS = ("#0072B2", "#D55E00", "#008a63", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("", "7 3", "2 3")
LEFT, TOP, WIDTH, HEIGHT, APART = 60, 40, 330, 330, 430

Costs = Mapping[int, Mapping[str, Sequence[float]]]


def draw(costs: Costs, limit_mb: float) -> str:
    """``costs``: records -> stage -> (seconds, megabytes). A grey line is cost in proportion to size."""
    stages = list(next(iter(costs.values())))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="980" height="{TOP + HEIGHT + 60}" '
        'font-family="sans-serif" font-size="12" role="img" '
        'aria-label="Seconds and megabytes of each stage against the number of records">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_panel(costs, 0, "seconds (grey: in proportion)", (0.1, 10_000), LEFT),
        *_panel(costs, 1, f"megabytes (limit {limit_mb:,})", (10, 10_000), LEFT + APART, limit_mb),
    ]
    for k, stage in enumerate(stages):
        y = TOP + 16 * k
        x = LEFT + APART + WIDTH + 24
        parts.append(
            f'<path d="M{x} {y}h28" {_pen(k)}/><text x="{x + 34}" y="{y + 4}">{stage}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    costs: Costs, what: int, title: str, span: tuple[float, float], left: float,
    limit: float | None = None,
) -> Iterator[str]:  # fmt: skip
    sizes = sorted(costs)

    def point(size: float, value: float) -> str:
        x = left + WIDTH * _part(size, (sizes[0] / 2, sizes[-1] * 2))
        return f"{x:.1f} {TOP + HEIGHT * (1 - _part(max(value, span[0]), span)):.1f}"

    yield f'<text x="{left}" y="{TOP - 14}">{title}</text>'
    yield f'<path d="M{left} {TOP}v{HEIGHT}h{WIDTH}" fill="none" stroke="#555"/>'
    for power in range(round(math.log10(span[0])), round(math.log10(span[1])) + 1):
        x, y = point(sizes[0] / 2, 10.0**power).split()
        yield f'<text x="{float(x) - 6}" y="{float(y) + 4}" text-anchor="end">{10.0**power:g}</text>'
    for size in sizes:
        x = point(size, span[0]).split()[0]
        yield f'<text x="{x}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{size:,}</text>'
    yield f'<text x="{left + WIDTH}" y="{TOP + HEIGHT + 38}" text-anchor="end">records</text>'
    if limit is None:
        ends = point(sizes[0], span[0] * 10), point(sizes[-1], span[0] * 10 * sizes[-1] / sizes[0])
    else:
        ends = point(sizes[0], limit), point(sizes[-1], limit)
    yield f'<path d="M{ends[0]}L{ends[1]}" stroke="#bbb" stroke-width="5" fill="none"/>'
    for k, stage in enumerate(costs[sizes[0]]):
        points = "L".join(point(size, costs[size][stage][what]) for size in sizes)
        yield f'<path d="M{points}" {_pen(k)}/>'


def _part(value: float, span: tuple[float, float]) -> float:
    return math.log(value / span[0]) / math.log(span[1] / span[0])


def _pen(k: int) -> str:
    dash = DASHES[k // len(COLOURS) % len(DASHES)]
    return f'fill="none" stroke="{COLOURS[k % len(COLOURS)]}" stroke-width="2" stroke-dasharray="{dash}"'
