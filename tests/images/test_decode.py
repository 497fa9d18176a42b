"""Pixels of every kind of image file: PIL's own, upright, or a reason; never a silent half."""

import dataclasses
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from audit.images import ImageHeader, UnreadableImage, decode, read_header
from audit.images.header import MAX_PIXELS
from audit.records import Box
from audit.stages.index import upright_box

from .made import encoded, opened, picture

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
)
RGB = Image.fromarray(picture())
ORIENTATIONS = range(1, 9)


def read(data, channels=3):
    return decode(data, read_header(data), channels)


def fault(data):
    with pytest.raises(UnreadableImage) as caught:
        read(data)
    assert "\n" not in caught.value.reason and caught.value.detail
    return caught.value.reason


def with_alpha(mode):
    image = RGB.convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def with_transparent_colour():
    data = encoded(RGB.convert("P"), "PNG", transparency=3)
    assert "transparency" in opened(data).info
    return data


# --- formats and modes ------------------------------------------------------------------------

FILES = {
    "JPEG": encoded(RGB, "JPEG"),
    "JPEG progressive": encoded(RGB, "JPEG", progressive=True),
    "JPEG 4:4:4": encoded(RGB, "JPEG", subsampling=0),
    "JPEG stored as RGB": encoded(RGB, "JPEG", keep_rgb=True),
    "JPEG grey": encoded(RGB.convert("L"), "JPEG"),
    "JPEG CMYK": encoded(RGB.convert("CMYK"), "JPEG"),
    "JPEG restart markers": encoded(RGB, "JPEG", restart_marker_blocks=2),
    "PNG": encoded(RGB, "PNG"),
    "PNG 1-bit": encoded(RGB.convert("1"), "PNG"),
    "PNG L": encoded(RGB.convert("L"), "PNG"),
    "PNG P": encoded(RGB.convert("P"), "PNG"),
    "PNG P transparent": with_transparent_colour(),
    "BMP": encoded(RGB, "BMP"),
    "GIF": encoded(RGB, "GIF"),
    "WEBP": encoded(RGB, "WEBP"),
    "WEBP lossless": encoded(RGB, "WEBP", lossless=True),
    "TIFF": encoded(RGB, "TIFF"),
    "TIFF LZW": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "TIFF CMYK": encoded(RGB.convert("CMYK"), "TIFF"),
    "PPM": encoded(RGB, "PPM"),
}
LOSSLESS = ("PNG", "BMP", "WEBP lossless", "TIFF", "TIFF LZW", "PPM")


@pytest.mark.parametrize("name", FILES)
def test_the_pixels_are_those_of_pil(name):
    data = FILES[name]
    header = read_header(data)
    assert header.format == name.split()[0]
    assert (header.width, header.height, header.orientation) == (64, 48, 1)
    pixels = decode(data, header)
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(opened(data).convert("RGB")))
    if name in LOSSLESS:
        np.testing.assert_array_equal(pixels, picture())


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(mode):
    opaque = np.asarray(RGB.convert("L").convert("RGB") if mode == "LA" else RGB)
    np.testing.assert_array_equal(read(encoded(with_alpha(mode), "PNG")), opaque)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled(form):
    values = np.array([[0, 128, 129, 257], [255, 32768, 65406, 65535]], np.uint16)
    expected = np.array([[0, 0, 1, 1], [1, 128, 254, 255]])  # v / 257, to the nearest
    pixels = read(encoded(Image.fromarray(values), form))
    assert (pixels == expected[:, :, None]).all()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, data):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*c) for c in chunks)


def test_sixteen_bit_rgb_keeps_its_high_bytes():
    data = png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 0, 0x1234, 0xFFFF, 0x8000, 0xFF00, 0x00FF))
    assert read(data).tolist() == [[[0, 0x12, 0xFF], [0x80, 0xFF, 0]]]


def test_pixels_without_a_known_range_are_refused():
    assert fault(encoded(Image.new("F", (4, 4), 0.5), "TIFF")) == "unsupported_mode"
    assert fault(encoded(Image.new("I", (4, 4), 70_000), "TIFF")) == "unsupported_mode"


@pytest.mark.parametrize("name", ["JPEG", "JPEG grey", "PNG", "PNG L"])
def test_one_channel_is_grey_by_rec_601(name):
    grey = read(FILES[name], channels=1)
    assert grey.shape == (48, 64, 1)
    difference = grey[:, :, 0].astype(int) - np.asarray(opened(FILES[name]).convert("L"))
    assert np.abs(difference).max() <= ("L" not in name and "grey" not in name)


def test_the_first_of_several_frames_is_read():
    other = Image.fromarray(picture(seed=1))
    for form in ("GIF", "TIFF", "WEBP", "PNG", "MPO"):
        data = encoded(RGB, form, save_all=True, append_images=[other])
        np.testing.assert_array_equal(read(data), np.asarray(opened(data).convert("RGB")))


@needs_data
def test_opencv_reads_real_jpegs_as_pil_does():
    folders = (DATA / "fruit3" / "test", DATA / "kangaroo" / "images", DATA / "bccd" / "JPEGImages")
    compared = 0
    for path in [p for folder in folders for p in sorted(folder.glob("*.jpg"))[:25]]:
        data = path.read_bytes()
        header = read_header(data)
        if header.format != "JPEG":
            continue
        stored = dataclasses.replace(header, orientation=1)
        np.testing.assert_array_equal(
            decode(data, stored), np.asarray(opened(data).convert("RGB")), err_msg=path.name
        )
        compared += 1
    assert compared > 50


@needs_data
def test_the_truncated_kangaroo_is_found():
    data = (DATA / "kangaroo" / "images" / "00090.jpg").read_bytes()
    assert fault(data) == "truncated_image"


# --- orientation ------------------------------------------------------------------------------


def turned(form, orientation, image=RGB):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_are_turned_upright(form, orientation):
    data = turned(form, orientation)
    header = read_header(data)
    assert header.orientation == orientation
    assert (header.stored_width, header.stored_height) == (64, 48)
    pixels = decode(data, header)
    assert pixels.shape == (header.height, header.width, 3)
    np.testing.assert_array_equal(
        pixels, np.asarray(ImageOps.exif_transpose(opened(data)).convert("RGB"))
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_orientation_can_be_ignored(form, orientation):
    data = turned(form, orientation)
    stored = dataclasses.replace(read_header(data), orientation=1)
    np.testing.assert_array_equal(decode(data, stored), read(encoded(RGB, form)))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    data = turned("JPEG", orientation)
    assert read_header(data).orientation == 1


def test_broken_exif_says_nothing_about_the_pixels():
    data = encoded(RGB, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_header(data).orientation == 1
    np.testing.assert_array_equal(read(data), read(FILES["JPEG"]))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_box_in_stored_pixels_turns_with_the_image(orientation):
    """Other orientations keep width and height, so an annotation's size cannot tell them."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[5:17, 40:60] = 255
    data = turned("PNG", orientation, Image.fromarray(stored))
    header = read_header(data)
    rows, columns = np.nonzero(decode(data, header)[:, :, 0])
    where = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert upright_box(Box(40, 5, 60, 17), header) == where


# --- broken files -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_cut_anywhere_an_image_is_refused_or_whole(name):
    """A few formats have bytes behind their last pixel."""
    data = FILES[name]
    whole, refused = read(data), 0
    for length in {
        *range(0, len(data), max(1, len(data) // 80)),
        *range(len(data) - 30, len(data)),
    }:
        try:
            np.testing.assert_array_equal(read(data[:length]), whole)
            assert len(data) - length < 30
        except UnreadableImage as error:
            assert error.reason in ("empty_file", "not_an_image", "truncated_image")
            refused += 1
    assert refused >= 80


def test_what_is_no_image():
    assert fault(b"") == "empty_file"
    for data in (b"text", b"<svg/>", b"%PDF-1.4", b"\xff\xd8", b"\0" * 1000, b"GIF89a"):
        assert fault(data) == "not_an_image"
    assert fault(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not_an_image"


def test_a_small_file_that_claims_a_huge_picture_is_not_decoded():
    assert fault(png(60_000, 60_000, 8, 2, b"")) == "too_large"
    side = int(MAX_PIXELS**0.5)
    assert fault(png(side + 1, side + 1, 8, 2, b"")) == "too_large"
    assert fault(png(side, side, 1, 0, b"")) == "truncated_image"


def test_damage_in_the_middle_of_a_png_is_found():
    data = bytearray(FILES["PNG"])
    data[len(data) // 2] ^= 0xFF
    assert fault(bytes(data)) == "truncated_image"


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_file_that_changed_since_its_header_was_read(name):
    header = dataclasses.replace(read_header(FILES[name]), stored_width=65)
    with pytest.raises(UnreadableImage, match="not that of its header"):
        decode(FILES[name], header)


def test_a_jpeg_header_before_something_else():
    with pytest.raises(UnreadableImage):
        decode(FILES["PNG"][:100], ImageHeader("JPEG", "RGB", 64, 48, 1))


# --- suffixes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suffix", "matches"),
    [
        ("JPEG", ".JPG", True),
        ("JPEG", ".png", False),
        ("PNG", ".jpeg", False),
        ("PNG", ".png", True),
        ("TIFF", ".tif", True),
        ("WEBP", ".jpg", False),
        ("GIF", ".img", True),
        ("GIF", "", True),
    ],
)
def test_a_suffix_of_another_format(name, suffix, matches):
    assert read_header(FILES[name]).matches(suffix) is matches


def test_several_pictures_in_a_jpeg_still_are_a_jpg():
    data = encoded(RGB, "MPO", save_all=True, append_images=[RGB])
    assert read_header(data).format == "MPO"
    assert read_header(data).matches(".jpg") and not read_header(data).matches(".png")


def test_a_jpeg_of_more_scans_than_any_encoder_writes():
    """Each scan of a hundred bytes is drawn over the whole picture."""
    data = encoded(Image.new("L", (3000, 3000), 7), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scans = data[:last] + data[last:-2] * 300 + data[-2:]
    assert fault(scans) == "too_many_scans"
    assert read(data).shape == (3000, 3000, 3)
    small = encoded(RGB, "JPEG", progressive=True)
    last = small.rindex(b"\xff\xda")
    assert read(small[:last] + small[last:-2] * 30 + small[-2:]).shape == (48, 64, 3)
