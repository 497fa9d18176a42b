"""One record as a picture: the photograph with its boxes, and beside it the heatmap on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from audit.heatmaps import upsample
from audit.records import Frame

# Longest side of one panel, pixels: readable in a report, about 60 KB a picture as JPEG.
PANEL = 420
MARGIN = 12
# Okabe and Ito's colours, which colour-blind people can tell apart; words say the same beside them.
HIT, MISS, IGNORED = (0, 158, 115), (213, 94, 0), (150, 150, 150)
INK, PAPER, FAINT = (25, 25, 25), (255, 255, 255), (110, 110, 110)


@dataclass(frozen=True)
class Caption:
    """What is written around the picture; each a short line of plain text."""

    title: str
    facts: str
    verdict: str
    bad: bool


def draw_overlay(
    pixels: np.ndarray,
    heatmap: np.ndarray,
    frame: Frame,
    boxes: np.ndarray,
    ignored: np.ndarray,
    point: tuple[float, float] | None,
    hit: bool | None,
    caption: Caption,
) -> Image.Image:
    """The picture of a record.

    ``pixels`` uint8 (H, W, 3), upright original; ``heatmap`` float32 (h, w), native; ``boxes`` and
    ``ignored`` (n, 4) xyxy and ``point`` (x, y) in pixels of the original.
    """
    panels = draw_panels(pixels, heatmap, frame, boxes, ignored, point, hit, PANEL)
    return _sheet(*panels, caption)


def draw_panels(
    pixels: np.ndarray,
    heatmap: np.ndarray,
    frame: Frame,
    boxes: np.ndarray,
    ignored: np.ndarray,
    point: tuple[float, float] | None,
    hit: bool | None,
    side: int,
) -> tuple[Image.Image, Image.Image]:
    """The photograph with its boxes, and the heatmap on it, ``side`` pixels at the longest."""
    scale = side / max(frame.width, frame.height)
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    photo = cv2.resize(pixels, size, interpolation=smooth)
    left = Image.fromarray(photo)
    right = Image.fromarray(blended(photo, heat_over(heatmap, frame, size)))
    for panel in (left, right):
        _draw_boxes(panel, boxes * scale, ignored * scale)
    if point is not None:
        _draw_point(right, point[0] * scale, point[1] * scale, hit)
    return left, right


def heat_over(heatmap: np.ndarray, frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """The map over the drawn panel, float32 in 0-1, 0 where the model sees nothing."""
    shrunk = _shrunk(frame, size)
    seen = np.zeros((size[1], size[0]), np.float32)
    values = np.maximum(np.nan_to_num(upsample(heatmap, shrunk)), 0)
    top, left = _corner(shrunk)
    rows = seen[top : top + values.shape[0], left : left + values.shape[1]]
    rows[:] = values[: rows.shape[0], : rows.shape[1]]
    peak = float(seen.max())
    return seen / peak if peak > 0 else seen


def _corner(frame: Frame) -> tuple[int, int]:
    """First row and column that the model sees."""
    return max(0, int(np.ceil(frame.view.y0 - 0.5))), max(0, int(np.ceil(frame.view.x0 - 0.5)))


def _shrunk(frame: Frame, size: tuple[int, int]) -> Frame:
    """The same frame for an image drawn at ``size`` (width, height)."""
    x, y = size[0] / frame.width, size[1] / frame.height
    view = frame.view
    scaled = type(view)(view.x0 * x, view.y0 * y, view.x1 * x, view.y1 * y)
    return Frame(size[0], size[1], scaled, frame.input_width, frame.input_height)


def blended(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Grey photograph with the map in colour where it is high, so that dark cells stay readable."""
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    opacity = (0.25 + 0.5 * heat)[:, :, None]
    return np.uint8(grey * (1 - opacity) + coloured(heat) * opacity)


def coloured(heat: np.ndarray) -> np.ndarray:
    """uint8 RGB of a map in 0-1: dark where it is low, bright where it is high, in any print."""
    colours = cv2.applyColorMap(np.uint8(255 * heat), cv2.COLORMAP_INFERNO)
    return cv2.cvtColor(colours, cv2.COLOR_BGR2RGB)


def _draw_boxes(panel: Image.Image, boxes: np.ndarray, ignored: np.ndarray) -> None:
    draw = ImageDraw.Draw(panel)
    for group, colour in ((ignored, IGNORED), (boxes, PAPER)):
        for x0, y0, x1, y1 in group:
            outline = [x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)]
            draw.rectangle(outline, outline=INK, width=4)
            inner = [x0 + 1, y0 + 1, max(x0 + 1, x1 - 2), max(y0 + 1, y1 - 2)]
            draw.rectangle(inner, outline=colour, width=2)


def _draw_point(panel: Image.Image, x: float, y: float, hit: bool | None) -> None:
    """A ring with a cross; a point in padding is drawn at the nearest edge."""
    x = min(max(x, 6), panel.width - 7)
    y = min(max(y, 6), panel.height - 7)
    colour = {True: HIT, False: MISS}.get(hit, IGNORED)
    draw = ImageDraw.Draw(panel)
    for width, ink in ((7, INK), (4, PAPER), (2, colour)):
        draw.ellipse([x - 9, y - 9, x + 9, y + 9], outline=ink, width=width)
    for ink, width in ((INK, 5), (PAPER, 3)):
        draw.line([x - 5, y, x + 5, y], fill=ink, width=width)
        draw.line([x, y - 5, x, y + 5], fill=ink, width=width)


def _sheet(left: Image.Image, right: Image.Image, caption: Caption) -> Image.Image:
    """Both panels side by side, the title above, the verdict and a key below."""
    title, text, small = (ImageFont.load_default(size) for size in (20, 15, 12))
    width = left.width + right.width + 3 * MARGIN
    width = max(width, 760)  # room for the lines of text under a narrow photograph
    head, foot = 62, 58
    sheet = Image.new("RGB", (width, left.height + head + foot), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 8), fitted(caption.title, title, width), font=title, fill=INK)
    draw.text((MARGIN, 36), fitted(caption.facts, text, width), font=text, fill=FAINT)
    sheet.paste(left, (MARGIN, head))
    sheet.paste(right, (2 * MARGIN + left.width, head))
    y = head + left.height + 8
    colour = MISS if caption.bad else INK
    draw.text((MARGIN, y), fitted(caption.verdict, text, width), font=text, fill=colour)
    key = (
        "frame: annotated box   ring: the heatmap's maximum   bright: what the prediction rests on"
    )
    draw.text((MARGIN, y + 24), fitted(key, small, width), font=small, fill=FAINT)
    return sheet


def fitted(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text`` cut so that it stays inside a sheet of this width and its margins."""
    # No sheet holds 400 characters; a longer text would take seconds to be cut one by one.
    text = "".join(c if c.isprintable() else "?" for c in text[:400])
    limit = width - 2 * MARGIN
    if font.getlength(text) <= limit:
        return text
    while text and font.getlength(text + "...") > limit:
        text = text[:-1]
    return text + "..."
