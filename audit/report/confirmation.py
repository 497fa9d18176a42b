"""A record and its changed images side by side, each with what the model makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from audit.report.overlay import FAINT, INK, MARGIN, PAPER, fitted

# Longest side of a panel, pixels.
PANEL = 224
HEAD, FOOT = 62, 48


class Panel(NamedTuple):
    """One image, and two lines under it."""

    pixels: np.ndarray
    """uint8 (H, W, 1 or 3)."""
    name: str
    figure: str


def draw_changes(panels: Sequence[Panel], title: str, facts: str) -> Image.Image:
    """The panels in a row, on one sheet."""
    big, text, small = (ImageFont.load_default(size) for size in (20, 15, 13))
    drawn = [_scaled(p.pixels) for p in panels]
    width = MARGIN + sum(d.width + MARGIN for d in drawn)
    sheet = Image.new("RGB", (width, HEAD + max(d.height for d in drawn) + FOOT), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 8), fitted(title, big, width), font=big, fill=INK)
    draw.text((MARGIN, 36), fitted(facts, small, width), font=small, fill=FAINT)
    x = MARGIN
    for panel, image in zip(panels, drawn, strict=True):
        sheet.paste(image, (x, HEAD))
        y, room = HEAD + image.height + 6, image.width + 2 * MARGIN
        draw.text((x, y), fitted(panel.name, small, room), font=small, fill=FAINT)
        draw.text((x, y + 18), fitted(panel.figure, text, room), font=text, fill=INK)
        x += image.width + MARGIN
    return sheet


def _scaled(pixels: np.ndarray) -> Image.Image:
    height, width = pixels.shape[:2]
    scale = PANEL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    drawn = cv2.resize(pixels, size, interpolation=smooth)
    return Image.fromarray(drawn).convert("RGB")
