"""Overlays: box, ring and heat lie where they belong, whatever the picture's shape or text."""

import numpy as np
import pytest

from audit.geometry import make_frame
from audit.report.overlay import HIT, IGNORED, MISS, PANEL, PAPER, Caption, draw_overlay

HEAD, MARGIN = 62, 12  # of the sheet: the panels' top and left
CAPTION = Caption("cat: what the model looks at", "a.jpg   predicted cat", "maximum on it", False)
NOTHING = np.empty((0, 4))


def draw(width, height, mode="stretch", boxes=NOTHING, ignored=NOTHING, **change):
    """(left panel, right panel) as int arrays, and the scale from the original to them."""
    given = {"cell": None, "point": None, "hit": True, "caption": CAPTION, **change}
    heatmap = np.zeros((4, 4), np.float32)
    if given["cell"]:
        heatmap[given["cell"]] = 1
    pixels = np.full((height, width, 3), 128, np.uint8)
    sheet = draw_overlay(
        pixels, heatmap, make_frame(width, height, 64, 64, mode), np.array(boxes, float),
        np.array(ignored, float), given["point"], given["hit"], given["caption"],
    )  # fmt: skip
    scale = PANEL / max(width, height)
    size = (round(width * scale), round(height * scale))
    drawn = np.asarray(sheet).astype(int)
    left = drawn[HEAD : HEAD + size[1], MARGIN : MARGIN + size[0]]
    start = 2 * MARGIN + size[0]
    return left, drawn[HEAD : HEAD + size[1], start : start + size[0]], scale


def places(panel, colour):
    """x0, y0, x1, y1 (half-open) around the pixels of a colour; None where there are none."""
    rows, columns = np.nonzero((panel == colour).all(axis=2))
    if not len(rows):
        return None
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


SHAPES = [(400, 300), (300, 400), (900, 60), (60, 900), (64, 64), (3000, 2000)]


@pytest.mark.parametrize("mode", ["stretch", "center_crop", "letterbox"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_is_where_it_was_annotated_in_both_panels(shape, mode):
    width, height = shape
    box = (0.5 * width, 0.25 * height, 0.75 * width, 0.875 * height)
    left, right, scale = draw(width, height, mode, [box])
    for panel in (left, right):
        # The white line is a pixel inside of the dark one, which lies on the edge.
        np.testing.assert_allclose(places(panel, PAPER), np.array(box) * scale, atol=2.1)


def test_a_box_that_fills_the_picture_is_seen():
    left, _, _ = draw(400, 300, boxes=[(0, 0, 400, 300)])
    np.testing.assert_array_equal(places(left, PAPER), (1, 1, 419, 314))


def test_no_box_draws_no_frame():
    left, _, _ = draw(400, 300)
    assert places(left, PAPER) is None


def test_ignored_regions_are_grey_and_boxes_white():
    left, _, scale = draw(400, 300, boxes=[(200, 50, 300, 250)], ignored=[(20, 20, 120, 120)])
    np.testing.assert_allclose(places(left, PAPER), np.array([200, 50, 300, 250]) * scale, atol=2.1)
    np.testing.assert_allclose(
        places(left, IGNORED), np.array([20, 20, 120, 120]) * scale, atol=2.1
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("hit", "colour"), [(True, HIT), (False, MISS), (None, IGNORED)])
def test_the_ring_is_around_the_maximum_and_says_hit_or_miss(shape, hit, colour):
    width, height = shape
    point = (0.625 * width, 0.375 * height)
    left, right, scale = draw(width, height, point=point, hit=hit)
    x0, y0, x1, y1 = places(right, colour)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx([p * scale for p in point], abs=3)
    assert places(left, colour) is None, "the photograph on the left stays free"


@pytest.mark.parametrize("point", [(-30.0, -30.0), (430.0, 310.0)])
def test_a_maximum_in_the_padding_is_drawn_at_the_edge(point):
    _, right, _ = draw(400, 300, "letterbox", point=point, hit=False)
    assert places(right, MISS) is not None


def centre_of_heat(panel):
    """Where the colour is: the picture itself is grey."""
    strength = (panel.max(axis=2) - panel.min(axis=2)).astype(float)
    rows, columns = np.indices(strength.shape)
    return (columns * strength).sum() / strength.sum(), (rows * strength).sum() / strength.sum()


@pytest.mark.parametrize(
    ("mode", "cell", "wanted"),
    [
        # 400x300 in a square input of 4x4 cells; the cell's centre in pixels of the original.
        ("stretch", (1, 2), (250, 112.5)),
        ("center_crop", (1, 2), (237.5, 112.5)),  # the middle 300x300
        ("letterbox", (1, 2), (250, 100)),  # the input covers 400x400, fifty pixels above
    ],
)
def test_the_heat_is_where_the_model_had_it(mode, cell, wanted):
    _, right, scale = draw(400, 300, mode, cell=cell)
    x, y = centre_of_heat(right)
    assert (x / scale, y / scale) == pytest.approx(wanted, abs=6)


def test_what_the_model_does_not_see_stays_without_heat():
    _, right, scale = draw(400, 300, "center_crop", cell=(1, 0))
    outside = right[:, : int(48 * scale)]
    assert (outside == outside[0, 0]).all()


@pytest.mark.parametrize("heat", [0.0, np.nan, np.inf])
def test_a_map_without_a_maximum_is_drawn_too(heat):
    pixels = np.zeros((30, 40, 3), np.uint8)
    heatmap = np.full((4, 4), heat, np.float32)
    frame = make_frame(40, 30, 64, 64, "stretch")
    sheet = draw_overlay(pixels, heatmap, frame, NOTHING, NOTHING, None, None, CAPTION)
    assert sheet.size[0] >= 760


HOSTILE = ["x" * 5000, "日本語 \U0001f600", "a\nb\tc\0d", "", "\u202ereversed", "<script>"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_inside(text):
    caption = Caption(text, text, text, True)
    long = draw(400, 300, caption=caption)
    plain = draw(400, 300)
    for drawn, expected in zip(long[:2], plain[:2], strict=True):
        np.testing.assert_array_equal(drawn, expected)


def test_a_bad_verdict_is_in_the_colour_of_a_miss():
    frame = make_frame(400, 300, 64, 64, "stretch")
    pixels, heatmap = np.zeros((300, 400, 3), np.uint8), np.ones((4, 4), np.float32)
    for bad in (True, False):
        caption = Caption("t", "f", "background-focused", bad)
        sheet = draw_overlay(pixels, heatmap, frame, NOTHING, NOTHING, None, None, caption)
        foot = np.asarray(sheet)[HEAD + 315 :]
        assert (places(foot, MISS) is not None) == bad
