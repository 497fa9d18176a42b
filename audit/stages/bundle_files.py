"""Files of a results folder or of a bundle, read in the same way; a bundle is never unpacked.

Nothing here trusts an archive: names, kinds and sizes are checked before the first byte is read.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from audit.digest import CHUNK, digest_file
from audit.errors import AuditError
from audit.tables.archive import BROKEN, check_members, name_fault
from audit.tables.json_file import parse_object

# What is read into memory at once: JSON, logs, manifests. Tables are only hashed.
MAX_READ = 256 * 2**20


class Files(Protocol):
    """Named files, wherever they lie."""

    where: str

    def names(self) -> list[str]:
        """Names of all files, sorted."""
        ...

    def digest(self, name: str) -> str:
        """SHA-256 of one; KeyError where there is none, AuditError where it cannot be read."""
        ...

    def read(self, name: str) -> bytes:
        """Content of one, at most ``MAX_READ`` bytes; errors as of :meth:`digest`."""
        ...


class Folder:
    """Files below a folder. Links are refused, since they lead out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def names(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self.root):
            for name in (*folders, *names):
                path = Path(folder) / name
                if path.is_symlink():
                    raise AuditError("is a link", where=str(path), expected="files and folders")
            found += [(Path(folder) / name).relative_to(self.root).as_posix() for name in names]
        return sorted(found)

    def digest(self, name: str) -> str:
        try:
            return digest_file(self._path(name))
        except OSError as error:
            raise AuditError(f"cannot be read: {error.strerror}", where=name) from None

    def read(self, name: str) -> bytes:
        path = self._path(name)
        _check_size(name, path.stat().st_size)
        return path.read_bytes()

    def _path(self, name: str) -> Path:
        path = self.root / name
        if name_fault(name) or not path.is_file():
            raise KeyError(name)
        return path


class Archive:
    """Files in a zip.

    Raises
    ------
    AuditError: it is no zip; or it has a name twice, a path that leads elsewhere, a link, an
        encrypted file, or says that it unpacks to more than an honest bundle would.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except BROKEN as error:
            raise AuditError(f"is no zip archive: {error}", where=str(path)) from None
        infos = self._zip.infolist()
        check_members(infos, path.stat().st_size, str(path))
        if self._zip.comment or min((i.header_offset for i in infos), default=0):
            # Another program might find another archive in the same file.
            raise AuditError(
                "has more in it than its files; nothing of it was read", where=str(path)
            )
        self._infos = {info.filename: info for info in infos if not info.is_dir()}

    def names(self) -> list[str]:
        return sorted(self._infos)

    def digest(self, name: str) -> str:
        digest = hashlib.sha256()
        try:
            with self._zip.open(self._infos[name]) as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
        except BROKEN as error:
            raise AuditError(f"cannot be unpacked: {error}", where=name) from None
        return digest.hexdigest()

    def read(self, name: str) -> bytes:
        info = self._infos[name]
        _check_size(name, info.file_size)
        try:
            return self._zip.read(info)
        except BROKEN as error:
            raise AuditError(f"cannot be unpacked: {error}", where=name) from None


class Within:
    """The files of one folder of others, under their names inside it."""

    def __init__(self, files: Files, folder: str) -> None:
        self.where = files.where
        self._files = files
        self._folder = folder

    def names(self) -> list[str]:
        return [n.removeprefix(self._folder) for n in self._files.names() if self._has(n)]

    def digest(self, name: str) -> str:
        return self._files.digest(self._folder + name)

    def read(self, name: str) -> bytes:
        return self._files.read(self._folder + name)

    def _has(self, name: str) -> bool:
        return name.startswith(self._folder)


class Results:
    """What the checks ask of a run's results; each digest is made once."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._digests: dict[str, str | None] = {}

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file, None where there is none that can be read."""
        if name not in self._digests:
            try:
                self._digests[name] = self.files.digest(name)
            except (KeyError, AuditError):
                self._digests[name] = None
        return self._digests[name]

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object.

        Raises
        ------
        AuditError: it is missing, or is none.
        """
        return read_json(self.files, name)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return self.json("provenance.json")

    def changed_tables(self) -> list[str]:
        """Tables that are missing, or not those that ``provenance.json`` lists."""
        return [n for n, digest in tables_of(self.provenance).items() if self.digest(n) != digest]


def tables_of(provenance: dict[str, Any]) -> dict[str, str]:
    """File name -> SHA-256 of the run's tables.

    Raises
    ------
    AuditError: the provenance lists none.
    """
    hashes = provenance.get("hashes")
    tables = hashes.get("tables") if isinstance(hashes, dict) else None
    if not isinstance(tables, dict) or not tables:
        raise AuditError("lists no tables", where="provenance.json")
    return tables


def read_json(files: Files, name: str) -> dict[str, Any]:
    """A JSON object; AuditError where it is missing or is none."""
    try:
        text = files.read(name)
    except KeyError:
        raise AuditError("is missing", where=name) from None
    return parse_object(text, name)


def _check_size(name: str, size: int) -> None:
    if size > MAX_READ:
        raise AuditError(f"has {size} bytes", where=name, expected=f"at most {MAX_READ}")
