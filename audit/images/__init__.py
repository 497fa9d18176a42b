"""Image files: what their header says, their pixels, and their way into a model's input.

A file that cannot be used raises :class:`UnreadableImage` with a reason; the stages list it in
``excluded.csv``. No other exception leaves this package for a broken file.
"""

from audit.images.decode import decode, reduction
from audit.images.files import read_file
from audit.images.header import ImageHeader, UnreadableImage, read_header
from audit.images.resize import fit

__all__ = [
    "ImageHeader",
    "UnreadableImage",
    "decode",
    "fit",
    "read_file",
    "read_header",
    "reduction",
]
