"""What is fuzzed: a parser, files to begin with, and the modules whose lines count as reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
TARGETS: dict[str, Target] = {}

Parse = Callable[[bytes, Path], object]
Seeds = Callable[[], list[bytes]]


@dataclass(frozen=True)
class Target:
    """One parser."""

    name: str
    parse: Parse
    """(content, empty folder) -> anything; raises AuditError or UnreadableImage to refuse."""
    seeds: Seeds
    """Honest inputs."""
    modules: tuple[str, ...]
    """Their lines are counted."""
    kind: str = "bytes"
    """How inputs are changed beside byte by byte: as ``json``, ``zip``, ``numbered`` (a byte that says
    which file it is, and JSON, perhaps) or not at all."""
    tokens: tuple[bytes, ...] = ()
    """Words of the format."""
    seconds: float = 2.0
    megabytes: int = 512
    tensorflow: bool = False

    def corpus(self) -> list[bytes]:
        """Inputs that are kept: each failed once, or reached what nothing else did."""
        return [path.read_bytes() for path in self.files()]

    def files(self) -> Iterator[Path]:
        folder = CORPUS / self.name
        yield from sorted(folder.iterdir()) if folder.is_dir() else ()


def target(name: str, seeds: Seeds, *modules: str, **more) -> Callable[[Parse], Parse]:
    """Register the decorated function as the parser of a target."""

    def add(parse: Parse) -> Parse:
        TARGETS[name] = Target(name, parse, seeds, modules, **more)
        return parse

    return add
