"""A registry of named things: annotation formats, metrics, explanation methods.

Each of them is one file that registers itself; adding one touches no other file. The package that
holds the files calls :meth:`Registry.load` once, so that importing the package imports them all.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from audit.errors import AuditError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to entries of one kind; refuses duplicates and lists the choices."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register ``entry``; a name that is taken is a programming error."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """:meth:`add` as a decorator."""
        return lambda entry: self.add(name, entry)

    def get(self, name: str, where: str | None = None) -> T:
        """The entry of that name.

        Raises
        ------
        AuditError: the name is unknown; the message names the nearest one.
        """
        if name not in self._entries:
            raise AuditError(
                f"unknown {self.kind} {name!r}", where=where, hint=nearest(name, self._entries)
            )
        return self._entries[name]

    def load(self, package: str, path: list[str]) -> None:
        """Import every module of ``package``, so that each registers what it holds."""
        for module in pkgutil.iter_modules(path):
            importlib.import_module(f"{package}.{module.name}")

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def items(self) -> Iterator[tuple[str, T]]:
        """All (name, entry) pairs, sorted by name."""
        return iter(sorted(self._entries.items()))
