"""Large JPEGs that are decoded at a part of their size."""

import cv2
import numpy as np
import pytest

from audit.config.model import ResizeSection
from audit.geometry import placement
from audit.images import decode, fit, read_header, reduction
from audit.images.header import ImageHeader


def photograph(width, height, seed=0):
    """Fine detail over coarse, as JPEG."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(
        rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    fine = np.clip(coarse + rng.normal(0, 6, coarse.shape), 0, 255).astype(np.uint8)
    return encoded(fine)


def encoded(pixels, *options):
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90, *options])[
        1
    ].tobytes()


def both(data, mode="stretch", interpolation="area", orientation=1, side=224):
    """The model's input from the whole image and from the reduced one."""
    header = read_header(data)
    header = ImageHeader(
        header.format, header.mode, header.stored_width, header.stored_height, orientation
    )
    placed = placement(header.width, header.height, side, side, mode)
    times = reduction(header, placed)
    assert times > 1
    whole = fit(decode(data, header), placed, interpolation)
    small = fit(decode(data, header, times=times), placed.reduced(times), interpolation)
    return whole.astype(int), small.astype(int)


@pytest.mark.parametrize("mode", ["stretch", "center_crop", "letterbox"])
@pytest.mark.parametrize(
    ("width", "height", "orientation"),
    [(1600, 1200, 1), (1600, 1200, 6), (1200, 1600, 3), (1603, 1201, 1), (901, 1999, 1)],
)
def test_the_input_is_the_same_to_a_grey_level(mode, width, height, orientation):
    whole, small = both(photograph(width, height), mode, orientation=orientation)
    apart = np.abs(whole - small)
    assert apart.mean() < 1 and apart.max() <= 12


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_what_is_turned_is_reduced_where_nothing_is_left_over(orientation):
    for width, height, times in (
        (1600, 1200, 2),
        (1601, 1200, 1),
        (1600, 1202, 2),
        (3200, 2408, 4),
    ):
        header = ImageHeader("JPEG", "RGB", width, height, orientation)
        placed = placement(header.width, header.height, 224, 224, "stretch")
        assert reduction(header, placed) == times


@pytest.mark.parametrize("mode", ["stretch", "center_crop"])
def test_nothing_moves(mode):
    """A bright square stays where it is, to a quarter of a pixel of the input."""
    pixels = np.zeros((1602, 1206, 3), np.uint8)
    pixels[601:903, 401:707] = 255
    whole, small = both(encoded(pixels), mode)
    for image in (whole, small):
        assert image.max() > 250
    rows, columns = np.mgrid[:224, :224]
    for axis in (rows, columns):
        centres = [(axis[..., None] * image).sum() / image.sum() for image in (whole, small)]
        assert abs(centres[0] - centres[1]) < 0.25


def test_twice_what_is_asked_for_is_left():
    header = ImageHeader("JPEG", "RGB", 4000, 3000, 1)
    for side, times in ((1600, 1), (750, 2), (751, 1), (224, 4), (187, 8), (188, 4), (10, 8)):
        assert reduction(header, placement(4000, 3000, side, side, "stretch")) == times
    # Cut to its middle, less of it is there.
    assert reduction(header, placement(4000, 3000, 375, 375, "center_crop", 0.5)) == 2
    assert reduction(header, placement(4000, 3000, 375, 375, "center_crop")) == 4


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("JPEG", "CMYK"), ("MPO", "RGB")])
def test_other_formats_are_decoded_in_full(kind, mode):
    header = ImageHeader(kind, mode, 4000, 3000, 1)
    assert reduction(header, placement(4000, 3000, 224, 224, "stretch")) == 1


def test_grey_ones_and_progressive_ones():
    data = encoded(
        cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8), (1600, 1600)),
        cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
    )  # fmt: skip
    whole, small = both(data)
    assert np.abs(whole - small).max() <= 12
    header = read_header(data)
    grey = decode(data, header, 1, 4)
    assert grey.shape == (400, 400, 1)


@pytest.mark.parametrize(
    ("interpolation", "how", "reduces"),
    [
        ("area", "auto", True), ("bilinear", "auto", False), ("bicubic", "auto", False),
        ("area", "full", False), ("bilinear", "reduced", True),
    ],
)  # fmt: skip
def test_only_where_the_result_is_the_same_unless_told(interpolation, how, reduces):
    assert ResizeSection(interpolation=interpolation, decode=how).reduces() == reduces
