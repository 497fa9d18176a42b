"""Digests of files, folders and values. All are SHA-256, written in lower-case hex."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of keys."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def digest_file(path: Path | str) -> str:
    """SHA-256 of a file's content, read in pieces; of a folder's, over sorted relative paths."""
    path = Path(path)
    if path.is_dir():
        return digest_json({str(p.relative_to(path)): digest_file(p) for p in _files(path)})
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_listing(path: Path | str) -> str:
    """Digest of names, sizes and times of all files below ``path``: cheap, and changes with a file."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else _files(path):
        stat = file.stat()
        digest.update(
            f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


@cache
def package_digest() -> str:
    """Digest of this package's source: what makes results stale when the code changes."""
    root = Path(__file__).resolve().parent
    sources = sorted(p for p in root.rglob("*.py") if "__pycache__" not in p.parts)
    return digest_json({p.relative_to(root).as_posix(): digest_file(p) for p in sources})


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted; links to folders are not followed, so no cycle is walked."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(root) / name
            if file.is_file():
                yield file
