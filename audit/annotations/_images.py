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
# What no system keeps as a path.
MAX_NAME = 4096


def safe_name(name: object, where: str) -> str:
    """A relative posix path below the image root, normalised (``./a//b.jpg`` -> ``a/b.jpg``).

    Symbolic links are not followed here: :meth:`ImageListing.leads_out` does that.

    Raises
    ------
    AuditError: the name is empty, absolute, climbs out, is too long, or is written for another system.
    """
    if not isinstance(name, str) or not name.strip():
        raise AuditError("image has no file name", where=where, received=name)
    check_unicode(name, "image file name", where)
    if len(name) > MAX_NAME:
        raise AuditError("image file name is too long", where=where, received=name)
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
    return (name for name, _ in _walk(root))


def _walk(root: Path) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a link or lies below one) of the same files."""
    seen: set[tuple[int, int]] = set()
    pending = [("", False)]
    while pending:
        folder, linked = pending.pop()
        status = os.stat(root / folder)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(root / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        visible = [
            (folder + e.name, _is_folder(e), linked or e.is_symlink())
            for e in entries
            if not e.name.startswith(".")
        ]
        pending += [(f"{n}/", link) for n, is_folder, link in reversed(visible) if is_folder]
        yield from ((name, link) for name, is_folder, link in visible if not is_folder)


class ImageListing:
    """The image files below a folder, listed once."""

    def __init__(self, root: Path) -> None:
        found = {n: link for n, link in _walk(root) if Path(n).suffix.lower() in SUFFIXES}
        self.files = set(found)
        self._linked = {name for name, link in found.items() if link}
        self._root = os.path.realpath(root)
        self._by_stem = _grouped(self.files, stem)
        self._by_last: dict[str, list[str]] | None = None

    def leads_out(self, name: str) -> bool:
        """Whether links on its way end outside of the folder; of what is not listed, too."""
        if name in self.files and name not in self._linked:
            return False
        real = os.path.realpath(os.path.join(self._root, name))
        return os.path.commonpath([real, self._root]) != self._root

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


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: a file that cannot be read
        return False


def _grouped(names: set[str], key) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(key(name), []).append(name)
    return groups
