"""Resizing: each mode puts the right pixels in the right place."""

import numpy as np
import pytest

from audit.geometry import RESIZE_MODES, box_to_input, make_frame, placement
from audit.images import fit
from audit.images.resize import INTERPOLATION
from audit.records import Box

from .made import picture


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("size", [(64, 48), (48, 64), (1, 1), (500, 3)])
def test_every_image_gets_the_input_s_shape(size, mode, channels):
    pixels = picture(*size)[:, :, :channels]
    out = fit(pixels, placement(*size, 32, 24, mode), "bilinear")
    assert out.shape == (24, 32, channels) and out.dtype == np.uint8


@pytest.mark.parametrize("interpolation", INTERPOLATION)
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_the_same_size_changes_nothing(mode, interpolation):
    pixels = picture()
    out = fit(pixels, placement(64, 48, 64, 48, mode), interpolation)
    np.testing.assert_array_equal(out, pixels)


def test_letterbox_pads_what_the_image_does_not_cover():
    pixels = np.full((10, 20, 3), 200, np.uint8)
    out = fit(pixels, placement(20, 10, 20, 21, "letterbox"), "bilinear", pad_value=7)
    np.testing.assert_array_equal(out[5:15], pixels)
    assert (out[:5] == 7).all() and (out[15:] == 7).all()


def test_center_crop_cuts_the_sides():
    pixels = picture(30, 10)
    out = fit(pixels, placement(30, 10, 10, 10, "center_crop"), "bilinear")
    np.testing.assert_array_equal(out, pixels[:, 10:20])
    half = fit(pixels, placement(30, 10, 5, 5, "center_crop", 0.5), "bilinear")
    np.testing.assert_array_equal(half, pixels[2:7, 12:17])


def test_centres_of_pixels_are_half():
    """Twice as wide: with half-pixel centres, the new ones lie a quarter from the old ones."""
    row = np.array([[[0], [100]]], np.uint8)
    out = fit(row, placement(2, 1, 4, 1, "stretch"), "bilinear")
    assert out[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize("interpolation", INTERPOLATION)
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_box_lands_where_the_frame_says(mode, interpolation):
    box = Box(28, 12, 52, 36)
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[12:36, 28:52] = 255
    out = fit(pixels, placement(80, 60, 160, 160, mode), interpolation)
    rows, columns = np.nonzero(out[:, :, 0] > 127)
    landed = box_to_input(make_frame(80, 60, 160, 160, mode), box)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(edges, (landed.x0, landed.y0, landed.x1, landed.y1), atol=1.0)
