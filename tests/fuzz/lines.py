"""Which lines of some modules were run: what guides the search, and what it reports."""

from __future__ import annotations

import importlib
import sys
from types import CodeType, FrameType
from typing import Any


class Lines:
    """Counts lines of modules while it is on; all others run at nearly full speed."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        files = [importlib.import_module(name).__file__ for name in modules]
        self._files = {file for file in files if file is not None}
        self.reached: set[tuple[str, int]] = set()
        self.total = sum(len(_lines_of(file)) for file in self._files)

    def __enter__(self) -> Lines:
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def _lines_of(file: str) -> set[int]:
    """Lines with code inside of functions: what an import runs is no work of a parser."""
    with open(file, encoding="utf-8") as source:
        whole = compile(source.read(), file, "exec")
    found: set[int] = set()
    waiting = [c for c in whole.co_consts if isinstance(c, CodeType)]
    while waiting:
        code = waiting.pop()
        if code.co_flags & 0x2:  # a function, not the body of a class
            found |= {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return found
