"""What an image file says of itself before its pixels are decoded."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

# Above this an image is refused before it is decoded: a small file can claim any size. 16-bit RGBA
# at this size takes 1.4 GB.
MAX_PIXELS = 178_956_970
# A progressive JPEG is drawn scan by scan, each over the whole picture, and a scan may be a hundred
# bytes: a small file can ask for hours. Encoders write about ten; this much is a minute of decoding.
MAX_SCANS = 20
MAX_SCANNED = 2_000_000_000  # scans times pixels, which more scans than that may come to
SCAN = b"\xff\xda"  # begins one; in the pictures' own data it cannot stand
SHORTEST_SCAN = 10  # bytes of its header alone
# The EXIF tag of orientation, and the values that swap width and height.
ORIENTATION_TAG = 0x0112
SIDEWAYS = (5, 6, 7, 8)
# Endings that name a format. A file whose content is another's is read as what it is, and noted.
FORMAT_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
    "PNG": {".png"},
    "BMP": {".bmp", ".dib"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
}
# Decoders that are let near hostile files: the common ones, none that runs another program.
# MPO, a JPEG with further pictures behind it, is opened by the JPEG one.
FORMATS = (*(f for f in FORMAT_SUFFIXES if f != "MPO"), "PPM")
# PIL knows only its five oldest formats until the plugins of the others are imported.
_PLUGINS = (TiffImagePlugin, WebPImagePlugin)


class UnreadableImage(Exception):
    """An image that cannot be used: ``reason`` is one snake_case word, ``detail`` a clause."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.reason, self.detail)  # from one process to another


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format, mode and size of an image file.

    ``stored_width`` and ``stored_height`` are those of the pixels in the file; ``width`` and
    ``height`` those of the image turned upright by its EXIF ``orientation`` (1 to 8; 1: as stored).
    """

    format: str
    mode: str
    stored_width: int
    stored_height: int
    orientation: int

    @property
    def width(self) -> int:
        return self.stored_height if self.orientation in SIDEWAYS else self.stored_width

    @property
    def height(self) -> int:
        return self.stored_width if self.orientation in SIDEWAYS else self.stored_height

    def matches(self, suffix: str) -> bool:
        """False when a file name ends like another format's."""
        suffix = suffix.lower()
        claimed = [f for f, suffixes in FORMAT_SUFFIXES.items() if suffix in suffixes]
        return not claimed or self.format in claimed


def open_image(data: bytes) -> Image.Image:
    """PIL's lazy image over a file's bytes.

    Raises
    ------
    UnreadableImage: empty, of no known format, larger than :data:`MAX_PIXELS`, or a JPEG of too many
        scans.
    """
    if not data:
        raise UnreadableImage("empty_file", "the file has no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns at half of its own limit; ours is below
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise UnreadableImage("too_large", f"more than {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise UnreadableImage("not_an_image", "no known image format") from None
    except Exception as error:  # a hostile header may raise anything
        raise UnreadableImage("not_an_image", str(error) or type(error).__name__) from None
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise UnreadableImage("too_large", f"{image.width}x{image.height} pixels")
    if image.format in ("JPEG", "MPO"):
        _check_scans(data, pixels)
    return image


def _check_scans(data: bytes, pixels: int) -> None:
    if len(data) // SHORTEST_SCAN * pixels <= MAX_SCANNED:
        return  # a small picture, whose file has no room for that many: nothing has to be counted
    scans = data.count(SCAN)
    if scans > MAX_SCANS and scans * pixels > MAX_SCANNED:
        raise UnreadableImage("too_many_scans", f"{scans} scans of {pixels} pixels")


def read_header(data: bytes) -> ImageHeader:
    """The header of an image file's bytes.

    Raises
    ------
    UnreadableImage: see :func:`open_image`.
    """
    image = open_image(data)
    orientation = orientation_of(image)
    width, height = image.size
    if image.format == "TIFF" and orientation in SIDEWAYS:
        width, height = height, width  # of TIFF alone, PIL tells the size after turning
    return ImageHeader(image.format or "", image.mode, width, height, orientation)


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation; 1 where there is none, or none that is valid."""
    if "exif" not in image.info and image.format not in ("TIFF", "WEBP", "PNG"):
        return 1  # getexif() parses and copies; most files hold nothing to parse
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF says nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1
