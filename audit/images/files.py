"""The bytes of an image file, and of nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

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
        # Without O_NONBLOCK, to open a pipe is to wait for who writes into it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableImage("unreadable_file", "a folder, a pipe or a device")
            if found.st_size > MAX_BYTES:
                raise UnreadableImage("too_large", f"{found.st_size} bytes")
            return file.read()
    except FileNotFoundError:
        raise UnreadableImage("missing_image", "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage("unreadable_file", reason) from None
