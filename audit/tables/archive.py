"""Zip archives from others: names, kinds and sizes are looked at before anything is unpacked."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

from audit.errors import AuditError

MAX_NAME = 1000
MAX_FILES = 500_000
# Deflate makes at most 1032 bytes of one. An honest archive holds text, pictures or weights.
MAX_RATIO = 200
FREE = 2**28  # what any archive may unpack to, however small it is
# The others unpack a piece of any size at once, and so whatever a name in the archive says of it.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What reading a broken archive raises.
BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError,
)  # fmt: skip


def check_members(infos: Sequence[zipfile.ZipInfo], packed: int, where: str) -> None:
    """Refuse an archive that is not safe to read.

    ``packed``: bytes of the archive file.

    Raises
    ------
    AuditError: it has a name twice, a path that leads elsewhere, a link, an encrypted file, or says
        that it unpacks to more than an honest one would.
    """
    if len(infos) > MAX_FILES:
        raise _refusal(f"has more than {MAX_FILES} files", where)
    for info in infos:
        if fault := _fault(info):
            raise _refusal(fault, f"{where}: {info.filename}")
    if met := twice(info.filename for info in infos):
        raise _refusal("is there more than once", f"{where}: {met[0]}")
    total = sum(info.file_size for info in infos)
    if total > max(FREE, MAX_RATIO * packed):
        raise _refusal(f"says that its {packed} bytes unpack to {total}", where)


def name_fault(name: str) -> str | None:
    """Why a file may not have this name; None where it may."""
    if not name or len(name) > MAX_NAME:
        return f"has a name of {len(name)} characters"
    if not name.isprintable() or "\\" in name:
        return "has a name with a character that not every system keeps"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "has an absolute path"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has a path that leads elsewhere"
    return None


def twice(names: Iterable[str]) -> list[str]:
    """Names that would meet on a system that does not tell capitals apart, sorted."""
    names = list(names)
    counts = Counter(name.casefold() for name in names)
    return sorted({name for name in names if counts[name.casefold()] > 1})


def _fault(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if fault := name_fault(info.filename.removesuffix("/")):
        return fault
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in PACKINGS:
        return "is packed in an unusual way"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or no plain file"
    return None


def _refusal(what: str, where: str) -> AuditError:
    return AuditError(f"{what}; nothing of it was read", where=where)
