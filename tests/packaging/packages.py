"""What a run installs: the pins of the lock files, and the packages that stand behind them here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
CLUSTER_LOCK = ROOT / "requirements-cluster.lock"
# The extras that the tools' environment has; those for clusters are in an environment of their own.
EXTRAS = ("keras2", "mlflow")

# uv writes nothing else; a line of another kind could name an index, a host or a path.
PIN = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)==([^\s;]+)(?: ; (.+?))? \\")
HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?")
VIA = re.compile(r"    #(?: via|  ) (?:-c requirements-cluster\.lock|([\w.-]+(?: \([\w.:]+\))?))")


@dataclass(frozen=True)
class Pin:
    """One entry of a lock file: the files of that version with one of the hashes, and no other."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]


def read_lock(path: Path) -> list[Pin]:
    """All pins of a lock file; a package has several where they differ by platform or Python.

    Raises
    ------
    ValueError: a line is no pin, hash or origin as uv writes them.
    """
    entries: list[tuple[tuple[str, str, str], list[str], list[str]]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if pin := PIN.fullmatch(line):
            entries.append(((pin[1], pin[2], pin[3] or ""), [], []))
        elif entries and (digest := HASH.fullmatch(line)):
            entries[-1][1].append(digest[1])
        elif entries and (origin := VIA.fullmatch(line)):
            entries[-1][2].extend(filter(None, origin.groups()))
        elif line != "    # via":
            raise ValueError(f"{path.name}:{number}: is no pin, hash or origin: {line!r}")
    return [Pin(*pin, tuple(hashes), tuple(via)) for pin, hashes, via in entries]


def pins_for(path: Path, python: str | None = None) -> dict[str, Pin]:
    """The pins by name that hold on this platform, for this Python or another ("3.13")."""
    here = default_environment()
    if python:
        here |= {"python_version": python, "python_full_version": f"{python}.0"}
    return {
        pin.name: pin
        for pin in read_lock(path)
        if not pin.marker or Marker(pin.marker).evaluate(here)
    }


def project() -> dict:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements(extras: Iterable[str] = (), groups: Iterable[str] = ()) -> list[Requirement]:
    """What pyproject.toml asks for itself, with these extras and groups."""
    told = project()
    lines = list(told["project"]["dependencies"])
    for name in extras:
        lines += told["project"]["optional-dependencies"][name]
    for name in groups:
        lines += told["dependency-groups"][name]
    return [Requirement(line) for line in lines]


@dataclass(frozen=True)
class Package:
    """An installed package, and the names of those it needs here."""

    name: str
    distribution: Distribution
    optional: bool = False
    needs: set[str] = field(default_factory=set)

    @property
    def version(self) -> str:
        return self.distribution.version


def installed(extras: Iterable[str] = EXTRAS) -> dict[str, Package]:
    """Every package that Focus Audit needs on this platform, by name; ``optional``: for extras only.

    Raises
    ------
    importlib.metadata.PackageNotFoundError: one is not installed.
    """
    needed = _closure(requirements())
    return {
        name: replace(package, optional=name not in needed)
        for name, package in sorted(_closure(requirements(extras)).items())
    }


def _closure(wanted: list[Requirement]) -> dict[str, Package]:
    found: dict[str, Package] = {}
    asked, queue = set(), list(wanted)
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in asked:
            continue
        asked.add((name, *sorted(requirement.extras)))
        package = found.setdefault(name, Package(name, distribution(name)))
        below = list(_needs(package.distribution, requirement.extras))
        package.needs.update(canonicalize_name(need.name) for need in below)
        queue += below
    return found


def _needs(found: Distribution, extras: set[str]) -> Iterator[Requirement]:
    """The requirements of a package whose markers hold here, with these of its extras."""
    for line in found.requires or ():
        need = Requirement(line)
        if not need.marker or any(need.marker.evaluate({"extra": e}) for e in {"", *extras}):
            yield need
