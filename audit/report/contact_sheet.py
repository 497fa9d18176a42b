"""One photograph, several classes, several methods: a sheet to look at before anything is audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from audit.records import Frame
from audit.report.overlay import FAINT, INK, MARGIN, PAPER, blended, coloured, fitted, heat_over

# Longest side of a picture on the sheet, pixels.
TILE = 200
HEADING, LINE = 44, 20


@dataclass(frozen=True)
class Heading:
    """What a row or a column shows: a name, and a line of figures under it."""

    name: str
    figures: str = ""


def draw_contact_sheet(
    pixels: np.ndarray,
    frame: Frame,
    classes: Sequence[Heading],
    methods: Sequence[Heading],
    maps: Mapping[tuple[int, int], np.ndarray],
    title: str,
    facts: Sequence[str],
) -> Image.Image:
    """The photograph once, then heatmap and overlay for each class and method.

    ``pixels`` uint8 (H, W, 3), upright original; ``maps``: (class, method) -> float32 (h, w), native
    grid over the model's whole input. What there is less of goes across, so that the sheet stays
    narrow enough to read.
    """
    across_classes = len(classes) <= len(methods)
    rows, columns = (methods, classes) if across_classes else (classes, methods)
    scale = TILE / max(frame.width, frame.height)
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    photo = cv2.resize(pixels, size, interpolation=smooth)
    cell = (2 * size[0] + 2 * MARGIN, max(size[1], 3 * LINE) + MARGIN)
    left, top = TILE + 2 * MARGIN, max(size[1], HEADING) + HEADING + 3 * MARGIN
    sheet = Image.new(
        "RGB", (max(left + len(columns) * cell[0], 760), top + len(rows) * cell[1]), PAPER
    )
    _head(sheet, photo, title, facts)
    for c, heading in enumerate(columns):
        _heading(sheet, heading, left + c * cell[0], top - HEADING, cell[0])
    for r, heading in enumerate(rows):
        y = top + r * cell[1]
        _heading(sheet, heading, MARGIN, y, left)
        for c in range(len(columns)):
            heatmap = maps[(c, r) if across_classes else (r, c)]
            heat = heat_over(heatmap, frame, size)
            x = left + c * cell[0]
            sheet.paste(Image.fromarray(coloured(heat)), (x, y))
            sheet.paste(Image.fromarray(blended(photo, heat)), (x + size[0] + 4, y))
            if not heat.any():
                _note(
                    sheet, "no positive part" if np.isfinite(heatmap).all() else "not finite", x, y
                )
    return sheet


def _head(sheet: Image.Image, photo: np.ndarray, title: str, facts: Sequence[str]) -> None:
    """The photograph at the top left, and beside it what it is."""
    big, small = ImageFont.load_default(20), ImageFont.load_default(15)
    sheet.paste(Image.fromarray(photo), (MARGIN, MARGIN))
    draw, x = ImageDraw.Draw(sheet), TILE + 2 * MARGIN
    room = sheet.width - x
    draw.text((x, MARGIN), fitted(title, big, room), font=big, fill=INK)
    for line, text in enumerate(facts):
        y = MARGIN + 28 + line * LINE
        draw.text((x, y), fitted(text, small, room), font=small, fill=FAINT)


def _heading(sheet: Image.Image, heading: Heading, x: int, y: int, width: int) -> None:
    draw = ImageDraw.Draw(sheet)
    name, figures = ImageFont.load_default(15), ImageFont.load_default(12)
    draw.text((x, y), fitted(heading.name, name, width), font=name, fill=INK)
    draw.text((x, y + LINE), fitted(heading.figures, figures, width), font=figures, fill=FAINT)


def _note(sheet: Image.Image, text: str, x: int, y: int) -> None:
    ImageDraw.Draw(sheet).text((x + 6, y + 4), text, font=ImageFont.load_default(12), fill=PAPER)
