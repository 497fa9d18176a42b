"""Frames: placements in whole pixels, the view that follows from them, and the way back."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.geometry import (
    RESIZE_MODES,
    box_to_input,
    box_to_original,
    canvas_window,
    frame_of,
    make_frame,
    normalised_to_original,
    placement,
    visible_box,
    visible_window,
)
from audit.records import Box, Frame


def test_stretch_is_the_whole_image():
    placed = placement(500, 375, 224, 224, "stretch")
    assert placed == ((0, 0, 500, 375), (224, 224), (0, 0), (224, 224))
    assert make_frame(500, 375, 224, 224, "stretch").view == Box(0, 0, 500, 375)


def test_center_crop_cuts_the_largest_rectangle_then_its_fraction():
    assert placement(500, 375, 224, 224, "center_crop").crop == (62, 0, 437, 375)
    assert make_frame(500, 375, 224, 224, "center_crop").view == Box(62, 0, 437, 375)
    # 375 * .875 = 328.125; the rest is 172 across and 47 down, and the odd pixel goes below.
    assert placement(500, 375, 224, 224, "center_crop", 0.875).crop == (86, 23, 414, 351)
    assert placement(375, 500, 200, 100, "center_crop").crop == (0, 156, 375, 344)


def test_letterbox_keeps_the_aspect_ratio_and_centres():
    placed = placement(200, 400, 100, 100, "letterbox")
    assert placed == ((0, 0, 200, 400), (50, 100), (25, 0), (100, 100))
    assert make_frame(200, 400, 100, 100, "letterbox").view == Box(-100, 0, 300, 400)
    odd = placement(500, 375, 224, 224, "letterbox")
    assert (odd.resized, odd.offset) == ((224, 168), (0, 28))


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_box_moves_as_the_pixels_do(mode):
    rng = np.random.default_rng(0)
    for _ in range(200):
        width, height, wide, high = (int(v) for v in rng.integers(1, 300, 4))
        placed = placement(width, height, wide, high, mode, 0.8)
        frame = frame_of(placed, width, height)
        assert frame == make_frame(width, height, wide, high, mode, 0.8)
        # The cut rectangle must land exactly where the resizer pastes it.
        landed = box_to_input(frame, Box(*placed.crop))
        left, top = placed.offset
        expected = (left, top, left + placed.resized[0], top + placed.resized[1])
        np.testing.assert_allclose([landed.x0, landed.y0, landed.x1, landed.y1], expected)
        assert left >= 0 and top >= 0
        assert left + placed.resized[0] <= wide and top + placed.resized[1] <= high
        back = box_to_original(frame, landed)
        np.testing.assert_allclose([back.x0, back.y0, back.x1, back.y1], placed.crop, atol=1e-9)


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_windows_hold_the_pixels_whose_centres_lie_in_the_view(mode):
    rng = np.random.default_rng(1)
    for _ in range(100):
        width, height, wide, high = (int(v) for v in rng.integers(1, 60, 4))
        frame = make_frame(width, height, wide, high, mode, 0.7)
        seen, canvas = visible_window(frame), canvas_window(frame)
        cols = [c for c in range(width) if frame.view.x0 <= c + 0.5 < frame.view.x1]
        rows = [r for r in range(height) if frame.view.y0 <= r + 0.5 < frame.view.y1]
        assert (list(range(seen.col0, seen.col1)), list(range(seen.row0, seen.row1))) == (
            cols,
            rows,
        )
        assert canvas.col0 <= seen.col0 and seen.col1 <= canvas.col1
        if mode == "letterbox":
            assert (seen.cols, seen.rows) == (width, height)
        else:
            assert seen == canvas
        box = visible_box(frame)
        assert (box.width, box.height) == (seen.cols, seen.rows)


def test_normalised_points_cover_the_view():
    frame = make_frame(200, 400, 100, 100, "letterbox")
    points = normalised_to_original(frame, np.array([[0, 0], [0.5, 0.5], [1, 1]]))
    assert points.tolist() == [[-100, 0], [100, 200], [300, 400]]


def test_a_frame_that_shows_nothing_of_the_image():
    frame = Frame(10, 10, Box(20, 20, 30, 30), 5, 5)
    assert visible_box(frame) is None
    assert visible_window(frame).cols == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 10, 5, 5, "crop"), "unknown resize mode.*center_crop"),
        ((0, 10, 5, 5, "stretch"), "no pixels"),
        ((10, 10, 5, 5, "center_crop", 0.0), "crop_fraction"),
        ((10, 10, 5, 5, "center_crop", 1.5), "crop_fraction"),
    ],
)
def test_bad_requests_are_refused(arguments, message):
    with pytest.raises(AuditError, match=message):
        placement(*arguments)
