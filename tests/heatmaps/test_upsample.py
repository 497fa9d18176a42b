"""Upsampling against OpenCV, against an explicit matrix U, and its transposed sums."""

import cv2
import numpy as np
import pytest

from audit.geometry import RESIZE_MODES, canvas_window, make_frame, visible_window
from audit.heatmaps import axis_matrix, cell_shares, cumulative_weights, upsample

SHAPES = [(7, 7), (1, 1), (1, 5), (3, 2), (14, 9)]


def explicit(n, first, end, start, stop):
    """U of one axis, written out pixel by pixel."""
    matrix = np.zeros((end - first, n))
    for pixel in range(first, end):
        s = (pixel + 0.5 - start) * n / (stop - start) - 0.5
        s = min(max(s, 0.0), n - 1.0)
        for cell in range(n):
            matrix[pixel - first, cell] = max(0.0, 1.0 - abs(s - cell))
    return matrix


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_upsampling_is_u_times_a(mode, shape):
    rng = np.random.default_rng(0)
    for width, height in ((50, 37), (9, 40), (5, 3)):
        frame = make_frame(width, height, 32, 24, mode, 0.8)
        window, view = visible_window(frame), frame.view
        a = rng.random(shape, dtype=np.float32)
        rows = explicit(shape[0], window.row0, window.row1, view.y0, view.y1)
        cols = explicit(shape[1], window.col0, window.col1, view.x0, view.x1)
        found = upsample(a, frame)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, rows @ a @ cols.T, atol=2e-6)


def test_stretch_and_crop_are_cv2_resize():
    a = np.random.default_rng(1).random((7, 7), dtype=np.float32)
    stretched = upsample(a, make_frame(500, 375, 224, 224, "stretch"))
    np.testing.assert_array_equal(stretched, cv2.resize(a, (500, 375)))
    cropped = upsample(a, make_frame(500, 375, 224, 224, "center_crop"))
    np.testing.assert_array_equal(cropped, cv2.resize(a, (375, 375)))


def test_letterbox_is_cv2_resize_of_the_canvas_where_it_is_whole():
    a = np.random.default_rng(2).random((7, 7), dtype=np.float32)
    frame = make_frame(200, 400, 100, 100, "letterbox")  # view -100 ... 300
    whole = cv2.resize(a, (400, 400))[:, 100:300]
    np.testing.assert_allclose(upsample(a, frame), whole, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_axis_weights_are_the_columns_of_the_matrix(n):
    matrix = explicit(n, -3, 40, -3.4, 39.9)
    np.testing.assert_allclose(axis_matrix(n, -3, 40, -3.4, 39.9), matrix, atol=1e-12)
    total = cumulative_weights(n, -3, 40, -3.4, 39.9)
    np.testing.assert_allclose(total[20] - total[5], matrix[5:20].sum(axis=0), atol=1e-12)
    assert not total[0].any() and not total.flags.writeable


def test_the_weights_of_the_canvas_add_up_to_its_pixels():
    canvas = canvas_window(make_frame(100, 300, 64, 64, "letterbox"))
    assert cumulative_weights(7, canvas.row0, canvas.row1, 0, 300)[-1].sum() == pytest.approx(300)


def test_cell_shares_are_overlaps():
    shares = cell_shares(4, np.array([0, 3, 10, 16]), 0.0, 16.0)
    expected = [[0.75, 0, 0, 0], [0.25, 1, 0.5, 0], [0, 0, 0.5, 1]]
    np.testing.assert_allclose(shares, expected)
