"""Image names: which are safe, and which file of the image folder each one means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from audit.annotations._text import check_unicode
from audit.errors import AuditError

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm")
    + (".ppm", ".tif", ".tiff", ".webp")
)
_DRIVE = re.compile(r"[A-Za-z]:")


def safe_name(name: object, where: str) -> str:
    """A relative posix path below the image root, normalised (``./a//b.jpg`` -> ``a/b.jpg``).

    Symbolic links are not followed here; the index judges where the file really lies.

    Raises
    ------
    AuditError: the name is empty, absolute, climbs out, or is written for another system.
    """
    if not isinstance(name, str) or not name.strip():
        raise AuditError("image has no file name", where=where, received=name)
    check_unicode(name, "image file name", where)
    parts = PurePosixPath(name).parts
    if "\0" in name or "\\" in name or _DRIVE.match(name) or name[0] == "/" or ".." in parts:
        raise AuditError(
            "image path leaves the image folder",
            where=where,
            expected="a relative path with forward slashes",
            received=name,
        )
    if not parts:
        raise AuditError("image has no file name", where=where, received=name)
    return "/".join(parts)


def stem(name: str) -> str:
    """A posix path without its image suffix; other dots belong to the name (``a.b`` stays)."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES else name


def walk(root: Path) -> Iterator[str]:
    """Posix paths of all files below ``root``, sorted; hidden ones are left out.

    Linked folders are entered, as data sets are often assembled from links, but each only once.
    """
    seen: set[tuple[int, int]] = set()
    pending = [""]
    while pending:
        folder = pending.pop()
        status = os.stat(root / folder)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(root / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        pending += [f"{folder}{e.name}/" for e in reversed(visible) if e.is_dir()]
        yield from (folder + entry.name for entry in visible if not entry.is_dir())


class ImageListing:
    """The image files below a folder, listed once."""

    def __init__(self, root: Path) -> None:
        self.files = {name for name in walk(root) if Path(name).suffix.lower() in SUFFIXES}
        self._by_stem = _grouped(self.files, stem)
        self._by_last: dict[str, list[str]] | None = None

    def exact(self, name: str) -> bool:
        """Whether the file is there under just this name."""
        return name in self.files

    def by_stem(self, name: str) -> list[str]:
        """Files in the same folder that differ from ``name`` at most in their image suffix."""
        return self._by_stem.get(stem(name), [])

    def anywhere(self, name: str) -> list[str]:
        """Files in any folder with the same last part, but for the suffix: for names that are
        unique in the whole data set, as in ImageNet and Open Images."""
        if self._by_last is None:
            self._by_last = _grouped(self.files, lambda n: stem(n.rpartition("/")[2]))
        return self._by_last.get(stem(name.rpartition("/")[2]), [])


def _grouped(names: set[str], key) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(key(name), []).append(name)
    return groups
