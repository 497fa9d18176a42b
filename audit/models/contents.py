"""What a Keras file holds, looked at before Keras opens it.

A ``.keras`` file is a zip with a config and an HDF5 file of weights; an ``.h5`` file holds both. Either
can point to other files of the machine, or unpack to more than it can hold. That is refused also where
code in the file is trusted.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from audit.errors import AuditError, first_line
from audit.models.budget import weights_allowed
from audit.tables.archive import check_members

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# Bytes of a config. The largest networks of keras.applications have 2 MB.
MAX_CONFIG = 64 * 2**20
# Groups and arrays of an HDF5 file; the largest networks have thousands.
MAX_ITEMS = 200_000
LOCAL_HEADER = struct.Struct("<26xHH")
NUMBERS = "biufcV"  # kinds of arrays that are numbers; V: those that NumPy has no type for


@dataclass(frozen=True)
class Contents:
    """What a model file says of itself."""

    config: dict[str, Any] | None
    """The model's config without that of its training; None where the file has none."""
    is_keras2: bool
    """A Keras before 3 wrote it, or it says nothing, as the oldest do."""


def read_contents(path: Path, where: str) -> Contents:
    """Check a ``.keras`` or HDF5 file, and read its config.

    Raises
    ------
    AuditError: it is broken, larger than its bytes can hold, or takes something from another file.
    """
    try:
        return (
            _of_archive(path, where) if path.suffix.lower() == ".keras" else _of_hdf5(path, where)
        )
    except AuditError:
        raise
    except Exception as error:  # a broken file raises anything
        raise AuditError(f"cannot be loaded: {first_line(error)}", where=where) from error


def _of_archive(path: Path, where: str) -> Contents:
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        check_members(archive.infolist(), path.stat().st_size, where)
        names = archive.namelist()
        if WEIGHTS not in names:
            raise AuditError(f"cannot be loaded: it has no {WEIGHTS}", where=where)
        texts = {name: _member(archive, name, where) for name in (CONFIG, METADATA)}
        with _weights(archive, file) as weights:
            _check_hdf5(weights, weights_allowed(path), where)
    metadata = _parsed(texts[METADATA], where)
    return _contents(texts[CONFIG], metadata.get("keras_version", "1"), where)


def _of_hdf5(path: Path, where: str) -> Contents:
    import h5py

    with path.open("rb") as file:
        _check_hdf5(file, weights_allowed(path), where)
    with h5py.File(path) as file:
        config = file.attrs.get("model_config")
        version = file.attrs.get("keras_version", "1")
    return _contents(config, version, where)


def _contents(config: Any, version: Any, where: str) -> Contents:
    version = version.decode() if isinstance(version, bytes) else str(version)
    major = version.split(".")[0]
    old = major.isdecimal() and len(major) < 4 and int(major) < 3
    if config is None:
        return Contents(None, old)
    tree = _parsed(config, where)
    tree.pop("compile_config", None)  # not looked at: models are loaded without it
    return Contents(tree, old)


def _member(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    if name not in archive.namelist():
        raise AuditError(f"cannot be loaded: it has no {name}", where=where)
    if archive.getinfo(name).file_size > MAX_CONFIG:
        raise AuditError(f"has a {name} of more than {MAX_CONFIG:,} bytes", where=where)
    return archive.read(name)


def _parsed(text: Any, where: str) -> dict[str, Any]:
    if not isinstance(text, str | bytes) or len(text) > MAX_CONFIG:
        raise AuditError("has a config that is no text, or too long", where=where)
    try:
        tree = json.loads(text)
    except RecursionError:
        raise AuditError("has a config that is nested too deep", where=where) from None
    except ValueError as error:
        raise AuditError(f"cannot be loaded: its config is no JSON: {error}", where=where) from None
    if not isinstance(tree, dict):
        raise AuditError("cannot be loaded: its config is no JSON object", where=where)
    return tree


@contextmanager
def _weights(archive: zipfile.ZipFile, file: BinaryIO) -> Iterator[BinaryIO]:
    """The HDF5 file in the archive: where it lies, if it is not packed, for it may be large."""
    info = archive.getinfo(WEIGHTS)
    if info.compress_type != zipfile.ZIP_STORED:
        yield io.BytesIO(archive.read(info))
        return
    file.seek(info.header_offset)
    name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    yield _Part(file, info.header_offset + LOCAL_HEADER.size + name + extra, info.file_size)


class _Part(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


# --- HDF5 ---------------------------------------------------------------------------------------


def _check_hdf5(source: BinaryIO, allowed: int, where: str) -> None:
    """Refuse weights that lie in other files, are no numbers, or more than is stored of them."""
    import h5py

    total = 0
    with h5py.File(source) as file:
        for name, found in _datasets(file, where):
            if found is None or found.external or found.is_virtual:
                raise AuditError(f"takes the weights {name!r} from another file", where=where)
            if found.dtype.kind not in NUMBERS:
                raise AuditError(f"holds {name!r}, which is no array of numbers", where=where)
            total += prod(found.shape or ())
            if total > allowed:
                size = source.seek(0, io.SEEK_END)
                raise AuditError(
                    f"says that it holds {total:.3g} numbers in {size:,} bytes", where=where
                )


def _datasets(root: Any, where: str) -> Iterator[tuple[str, Any]]:
    """(path, data set) at any depth, each group once; None for a link, which is not followed."""
    import h5py

    seen: set[int] = set()
    waiting, count = [("", root)], 0
    while waiting:
        base, group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            path = f"{base}/{name}"
            count += 1
            if count > MAX_ITEMS:
                raise AuditError(f"has more than {MAX_ITEMS} parts", where=where)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield path, None
            elif group.get(name, getclass=True) is h5py.Group:
                waiting.append((path, group[name]))
            elif group.get(name, getclass=True) is h5py.Dataset:
                yield path, group[name]
