"""What every registered fill must meet, and what each one puts in."""

import cv2
import numpy as np
import pytest

from audit.fills import FILLS, Picture, control_boxes, fill_region, touched
from audit.geometry import Window

cv2.setNumThreads(1)
H, W = 24, 32
WHOLE = Window(0, H, 0, W)
BOX = touched(np.array([[8.0, 6.0, 20.0, 15.0]]), H, W)


def picture(seed=0, channels=3, visible=WHOLE, objects=BOX):
    pixels = np.random.default_rng(seed).integers(0, 256, (H, W, channels), np.uint8)
    return Picture(pixels, visible, objects)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILLS.names())
def test_every_fill_changes_the_region_alone(name, channels):
    padded = Window(2, H - 2, 0, W)
    given, donor = picture(0, channels, padded), picture(1, channels, Window(0, H, 4, W - 4))
    before = given.pixels.copy(), donor.pixels.copy()
    inside = np.zeros((H, W), bool)
    inside[2 : H - 2] = True
    for region in (BOX, ~BOX):
        out = fill_region(FILLS.get(name), given, region, donor)
        assert out.dtype == np.uint8 and out.shape == given.pixels.shape
        kept = ~(region & inside)
        np.testing.assert_array_equal(out[kept], given.pixels[kept])
        assert (out != given.pixels).any(axis=-1)[region & inside].mean() > 0.9
        again = fill_region(FILLS.get(name), given, region, donor)
        assert again.tobytes() == out.tobytes()
    np.testing.assert_array_equal(given.pixels, before[0])
    np.testing.assert_array_equal(donor.pixels, before[1])


# The mean lets the removed part's share of one colour through, no fill else anything.
@pytest.mark.parametrize("name", [n for n in FILLS.names() if n != "mean"])
def test_nothing_of_what_is_removed_shows_through(name):
    one, donor = picture(0), picture(1)
    other = one._replace(pixels=one.pixels.copy())
    other.pixels[BOX] = 255 - other.pixels[BOX]
    a, b = (fill_region(FILLS.get(name), p, BOX, donor) for p in (one, other))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FILLS.names())
def test_padding_never_bleeds_in(name):
    visible, donor = Window(4, H - 4, 0, W), picture(1)
    one = picture(0, visible=visible)
    other = one._replace(pixels=one.pixels.copy())
    other.pixels[:4], other.pixels[-4:] = 0, 255
    region = touched(np.array([[3.0, 4.0, 20.0, 15.0]]), H, W)
    rows = slice(4, H - 4)
    a, b = (fill_region(FILLS.get(name), p, region, donor)[rows] for p in (one, other))
    np.testing.assert_array_equal(a, b)


def test_mean_is_one_colour_for_object_and_background():
    given = picture()
    given.pixels[...] = (10, 20, 30)
    given.pixels[BOX] = (110, 20, 30)
    share = BOX.mean()
    colour = [round(10 + 100 * share), 20, 30]
    assert (fill_region(FILLS.get("mean"), given, BOX)[BOX] == colour).all()
    assert (fill_region(FILLS.get("mean"), given, ~BOX)[~BOX] == colour).all()


@pytest.mark.parametrize("name", ["blur", "inpaint"])
def test_even_surroundings_are_continued(name):
    given = picture()
    given.pixels[~BOX] = (40, 90, 200)
    out = fill_region(FILLS.get(name), given, BOX)
    np.testing.assert_allclose(out.astype(int), np.broadcast_to((40, 90, 200), out.shape), atol=8)


@pytest.mark.parametrize("name", ["donor", "donor_same"])
def test_a_donor_comes_without_its_objects(name):
    donor = picture(1, objects=touched(np.array([[0.0, 0.0, 12.0, 12.0]]), H, W))
    donor.pixels[...] = 70
    donor.pixels[donor.objects] = 250
    out = fill_region(FILLS.get(name), picture(), BOX, donor)
    assert np.abs(out[BOX].astype(int) - 70).max() <= 8  # Telea's gradients overshoot a little
    with pytest.raises(ValueError, match="expected a donor"):
        fill_region(FILLS.get(name), picture(), BOX)


def test_a_donor_is_stretched_to_what_is_visible():
    donor = Picture(np.zeros((H, W, 3), np.uint8), Window(0, H, 8, 24), np.zeros((H, W), bool))
    donor.pixels[:, 8:16], donor.pixels[:, 16:24] = 50, 200
    donor.pixels[:, :8] = donor.pixels[:, 24:] = 9  # its padding
    out = fill_region(FILLS.get("donor"), picture(), np.ones((H, W), bool), donor)
    assert (out[:, :14] == 50).all() and (out[:, 18:] == 200).all()


def test_touched_takes_every_pixel_of_a_box_and_no_more():
    found = touched(np.array([[1.9, 2.0, 3.1, 4.0], [10.0, 0.0, 12.0, 1.0]]), 6, 14)
    expected = np.zeros((6, 14), bool)
    expected[2:4, 1:4] = expected[0:1, 10:12] = True
    np.testing.assert_array_equal(found, expected)


def area(boxes):
    return int(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum())


def test_a_control_has_the_shape_of_the_object_where_it_fits():
    region = touched(np.array([[2.0, 3.0, 10.0, 9.0]]), H, W)
    other = touched(np.array([[20.0, 3.0, 30.0, 9.0]]), H, W)
    seen = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ((x0, y0, x1, y1),) = boxes = control_boxes(region, region | other, WHOLE, rng)
        assert (x1 - x0, y1 - y0) == (8, 6)
        assert not (touched(boxes.astype(float), H, W) & (region | other)).any()
        seen.add((int(x0), int(y0)))
    assert len(seen) > 20
    again = control_boxes(region, region | other, WHOLE, np.random.default_rng(39))
    np.testing.assert_array_equal(again, boxes)


def test_a_control_that_fits_nowhere_is_cut_up_and_keeps_its_area():
    region = touched(np.array([[6.0, 4.0, 26.0, 20.0]]), H, W)  # 320 of 768 pixels, in the middle
    boxes = control_boxes(region, region, WHOLE, np.random.default_rng(0))
    mask = touched(boxes.astype(float), H, W)
    assert len(boxes) > 1 and area(boxes) == mask.sum() == region.sum()
    assert not (mask & region).any()


def test_no_control_without_room_and_none_in_padding():
    region = touched(np.array([[0.0, 0.0, 20.0, 24.0]]), H, W)
    assert control_boxes(region, region, WHOLE, np.random.default_rng(0)) is None
    small = touched(np.array([[2.0, 9.0, 10.0, 14.0]]), H, W)
    visible = Window(8, 16, 0, W)
    for seed in range(10):
        (box,) = control_boxes(small, small, visible, np.random.default_rng(seed))
        assert 8 <= box[1] < box[3] <= 16


def test_boxes_that_overlap_count_once():
    region = touched(np.array([[2.0, 2.0, 8.0, 8.0], [5.0, 5.0, 11.0, 11.0]]), H, W)
    boxes = control_boxes(region, region, WHOLE, np.random.default_rng(1))
    assert abs(area(boxes) - region.sum()) <= 4
