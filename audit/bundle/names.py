"""Names of the files in a bundle: relative, with ``/``, and the same on every system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

MAX_NAME = 1000
RESULTS = "results/"
"""Folder of the run's results inside a bundle."""
MANIFEST = "manifest-sha256.txt"
SIGNATURE = "manifest-sha256.txt.sig"
README = "README.md"
CRATE = "ro-crate-metadata.json"
STATEMENT = "attestation.intoto.json"
CONFIG = "stages/config.json"
"""The run's config, beside its results."""


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
