"""The bytes of an image file, and of nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from audit.config.given import NotPlain, open_given
from audit.images.header import UnreadableImage

# More than any image that is decoded has; a sparse file can claim any size.
MAX_BYTES = 1 << 30


def read_file(path: Path) -> bytes:
    """All bytes of an image file. A pipe or a device, which might never end, is not opened to be read.

    Raises
    ------
    UnreadableImage: there is no such file, it is of another kind, too large, or cannot be read.
    """
    try:
        with open_given(path, str(path)) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise UnreadableImage("too_large", f"{size} bytes")
            return file.read()
    except NotPlain:
        raise UnreadableImage("unreadable_file", "a folder, a pipe or a device") from None
    except FileNotFoundError:
        raise UnreadableImage("missing_image", "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage("unreadable_file", reason) from None
