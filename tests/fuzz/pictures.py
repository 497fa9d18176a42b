"""Image files: header and pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from audit.images import decode, read_header

from .target import target

# Decoded are pictures up to here, so that the bound on memory means something: a large one is a
# large one, and no fault of a decoder.
MAX_PIXELS = 4_000_000
TOKENS = (
    b"\xff\xd8", b"\xff\xda", b"\xff\xdb", b"\xff\xc2", b"\xff\xe1\x00\x10Exif\0\0", b"IHDR",
    b"IDAT", b"tRNS",
    b"acTL", b"fcTL", b"eXIf", b"iCCP", b"zTXt", b"RIFF", b"VP8X", b"VP8L", b"GIF89a", b"II*\0",
    b"MM\0*",
    b"P6\n", b"P7\n", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0",
)  # fmt: skip


def _seeds() -> list[bytes]:
    r = np.random.default_rng(0)
    picture = Image.fromarray(r.integers(0, 255, (24, 32, 3), np.uint8).repeat(2, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = []
    for kind, options in (
        ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("JPEG",
        {"restart_marker_blocks": 2}),
        ("PNG", {"exif": exif}), ("BMP", {}), ("GIF", {}), ("WEBP", {}), ("WEBP",
        {"lossless": True}),
        ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF",
        {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}), ("PPM", {}),
    ):  # fmt: skip
        made.append(_encoded(picture, kind, **options))
    made += [_encoded(picture.convert(m), "PNG") for m in ("P", "L", "1", "RGBA", "LA")]
    made += [_encoded(picture.convert("CMYK"), "JPEG"), _encoded(picture.convert("CMYK"), "TIFF")]
    made += [
        _encoded(Image.fromarray(r.integers(0, 65535, (8, 9), np.uint16)), k)
        for k in ("PNG", "TIFF", "PPM")
    ]
    return made


def _encoded(picture: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@target("image", _seeds, "audit.images.decode", "audit.images.header", tokens=TOKENS)
def image(data: bytes, folder: Path) -> None:
    header = read_header(data)
    if header.stored_width * header.stored_height <= MAX_PIXELS:
        for channels in (3, 1):
            pixels = decode(data, header, channels)
            assert pixels.shape == (header.height, header.width, channels)
            assert pixels.dtype == np.uint8
