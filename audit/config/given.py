"""Files that a user names, read within a bound: nothing that is endless, blocks or is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from audit.errors import AuditError


class NotPlain(AuditError):
    """What was named is a folder, a device or a pipe."""


def read_given(path: Path, where: str, max_bytes: int) -> bytes:
    """All of a plain file; links to one are followed.

    Raises
    ------
    AuditError: there is none, it is a folder, a device or a pipe, or it is larger than that.
    """
    try:
        return read_bounded(path, where, max_bytes)
    except FileNotFoundError:
        raise AuditError("no such file", where=where) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise AuditError(f"cannot be read: {reason}", where=where) from None


def read_bounded(path: Path, where: str, max_bytes: int) -> bytes:
    """As :func:`read_given`, for those who tell the system's errors themselves."""
    with open_given(path, where) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise AuditError(
                "file is too large",
                where=where,
                expected=f"{max_bytes} bytes at most",
                received=size,
            )
        return file.read(size)  # a bound that is given would be set aside as a whole


def open_given(path: Path, where: str) -> BinaryIO:
    """A plain file, open for reading.

    Raises
    ------
    OSError: it cannot be opened.
    NotPlain: it is a folder, a device or a pipe.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    try:
        check_plain(os.fstat(file.fileno()), where)
    except AuditError:
        file.close()
        raise
    return file


def check_plain(status: os.stat_result, where: str) -> None:
    """Raise :class:`NotPlain` for what is no plain file: a device or a pipe has no end."""
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
        raise NotPlain("is no file", where=where, expected="a plain file", received=kind)


def exists(path: Path) -> bool:
    """Whether something is there; a name that no system allows names nothing."""
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False


def _without_waiting(path: str, flags: int) -> int:
    """A pipe that nobody writes to would be waited for without end."""
    return os.open(path, flags | os.O_NONBLOCK)
