"""The contact sheet: every map is on it, at its class's and method's place."""

import numpy as np
import pytest

from audit.geometry import make_frame
from audit.report.contact_sheet import TILE, Heading, draw_contact_sheet
from audit.report.overlay import MARGIN, coloured

PIXELS = np.full((150, 300, 3), 128, np.uint8)
FRAME = make_frame(300, 150, 32, 32, "stretch")
SIZE = (TILE // 2, TILE)  # of a tile: rows, columns


def spot(row, column, shape=(4, 4)):
    made = np.zeros(shape, np.float32)
    made[row, column] = 1
    return made


def draw(classes, methods, maps):
    headings = [[Heading(f"{kind}{k}", "p 0.5") for k in range(n)] for kind, n in
                (("class", classes), ("method", methods))]  # fmt: skip
    return np.asarray(draw_contact_sheet(PIXELS, FRAME, *headings, maps, "a.jpg", ["m.keras"]))


def brightest(sheet):
    """Tops of all heat tiles: where the colour of 1 is the middle of a cluster."""
    top = coloured(np.ones((1, 1), np.float32))[0, 0]
    return np.argwhere((sheet.astype(int) == top).all(axis=2))


@pytest.mark.parametrize(("classes", "methods"), [(1, 1), (2, 3), (3, 2), (1, 5), (5, 1)])
def test_every_map_is_drawn_once(classes, methods):
    maps = {(c, m): spot(1, 2) for c in range(classes) for m in range(methods)}
    found = brightest(draw(classes, methods, maps))
    tiles = {(y // (SIZE[0] // 2), x // (SIZE[1] // 2)) for y, x in found}
    assert classes * methods <= len(tiles) <= 4 * classes * methods


def test_what_there_is_less_of_goes_across():
    wide, high = draw(2, 5, {(c, m): spot(0, 0) for c in range(2) for m in range(5)}), None
    high = draw(5, 2, {(c, m): spot(0, 0) for c in range(5) for m in range(2)})
    assert wide.shape == high.shape


def test_a_map_is_at_its_class_and_method():
    """Two classes beside each other; the maximum of the first is left, that of the second right."""
    maps = {(0, 0): spot(0, 0), (1, 0): spot(0, 3), (0, 1): spot(0, 3), (1, 1): spot(0, 0)}
    sheet = draw(2, 2, maps)
    left = TILE + 2 * MARGIN
    cell = 2 * SIZE[1] + 2 * MARGIN
    points = brightest(sheet)
    columns = sorted({int((x - left) % cell < SIZE[1] / 2) for _, x in points})
    assert columns == [0, 1]
    first_row = points[:, 0] < points[:, 0].mean()
    in_first_class = points[:, 1] < left + cell
    x = (points[:, 1] - left) % cell
    assert (x[first_row & in_first_class] < SIZE[1] / 2).all()
    assert (x[first_row & ~in_first_class] > SIZE[1] / 2).all()
    assert (x[~first_row & in_first_class] > SIZE[1] / 2).all()


@pytest.mark.parametrize("heatmap", [np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_a_map_without_a_maximum_is_drawn_dark(heatmap):
    assert not len(brightest(draw(1, 1, {(0, 0): heatmap.astype(np.float32)})))


def test_long_and_strange_names_stay_inside():
    heading = [Heading("x" * 5000 + "\n\x00<script>", "y" * 5000)]
    sheet = draw_contact_sheet(
        PIXELS, FRAME, heading, heading, {(0, 0): spot(0, 0)}, "z" * 5000, ["w" * 5000]
    )
    assert sheet.width < 1000
