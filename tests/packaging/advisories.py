"""``make advisories``: known vulnerabilities of what the lock files pin.

``python -m tests.packaging.advisories`` asks pip-audit, which needs the network.
``python -m tests.packaging.advisories FOLDER`` reads a copy of the advisories and needs none: a clone of
PyPA's advisory database, or OSV's archive for PyPI unpacked.

Exit code 0: looked, and found none; 1: found some; 3: could not look. pip-audit by itself ends with 0
and "No known vulnerabilities found" where its service knew none of the packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.packaging.packages import CLUSTER_LOCK, LOCK, Pin, read_lock

NONE, FOUND, COULD_NOT_LOOK = 0, 1, 3
PIP_AUDIT = ("uv", "tool", "run", "--from", "pip-audit==2.10.1", "pip-audit")
SERVICES = ("pypi", "osv")


@dataclass(frozen=True, order=True)
class Finding:
    """One advisory that a pinned version falls under."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no fixed version"
        return f"{self.package} {self.version}: {', '.join(self.names)}; {fixed}"


def pinned() -> list[Pin]:
    """Every pin of both lock files, once."""
    pins = chain(read_lock(LOCK), read_lock(CLUSTER_LOCK))
    return list({(pin.name, pin.version): pin for pin in pins}.values())


def in_copy(folder: Path, pins: list[Pin]) -> tuple[list[Finding], int]:
    """The findings in a folder of OSV records, and how many records of pinned packages were read."""
    versions: dict[str, set[str]] = {}
    for pin in pins:
        versions.setdefault(pin.name, set()).add(pin.version)
    found, read = set(), 0
    for record in _records(folder, set(versions)):
        for affected in record.get("affected", ()):
            told = affected.get("package", {})
            name = canonicalize_name(told.get("name", ""))
            if told.get("ecosystem") != "PyPI" or name not in versions:
                continue
            read += 1
            names = (record["id"], *sorted(record.get("aliases") or ()))
            for version in versions[name]:
                if is_affected(version, affected):
                    found.add(Finding(name, version, names, tuple(_fixed(affected))))
    return sorted(found), read


def is_affected(version: str, affected: dict) -> bool:
    """Whether OSV's entry covers a version: it is listed, or lies in a range (OSV schema, 1.7)."""
    if Version(version) in {v for v in map(_version, affected.get("versions") or ()) if v}:
        return True
    return any(
        _in_range(Version(version), told["events"])
        for told in affected.get("ranges") or ()
        if told["type"] == "ECOSYSTEM"
    )


def _in_range(version: Version, events: list[dict]) -> bool:
    inside = False
    # At one version, what begins comes before what ends.
    steps = [(Version(at), kind) for event in events for kind, at in event.items()]
    for at, kind in sorted(steps, key=lambda step: (step[0], step[1] != "introduced")):
        if kind == "introduced" and version >= at:
            inside = True
        elif kind == "fixed" and version >= at or kind == "last_affected" and version > at:
            inside = False
    return inside


def _version(text: str) -> Version | None:
    """A version, None for the odd names of long ago, which nobody pins."""
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def _fixed(affected: dict) -> Iterator[str]:
    for told in affected.get("ranges") or ():
        if told["type"] == "ECOSYSTEM":
            yield from (event["fixed"] for event in told["events"] if "fixed" in event)


def _records(folder: Path, names: set[str]) -> Iterator[dict]:
    """OSV records that stand; of PyPA's database, whose folders are packages, only those needed."""
    for path in sorted(folder.rglob("*.yaml")):
        if canonicalize_name(path.parent.name) in names:
            yield from _standing(yaml.load(path.read_text("utf-8"), yaml.CSafeLoader))
    for path in sorted(folder.rglob("*.json")):
        yield from _standing(json.loads(path.read_text("utf-8")))


def _standing(record: dict) -> Iterator[dict]:
    if record.get("affected") and not record.get("withdrawn"):
        yield record


def through_network(pins: list[Pin]) -> tuple[list[Finding], int]:
    """pip-audit's findings, and how many pins its service knew; the first service that knows any."""
    for service in SERVICES:
        told = _pip_audit(service)
        known = [package for package in told if "skip_reason" not in package]
        if known:
            return [
                Finding(
                    package["name"],
                    package["version"],
                    (fault["id"], *sorted(fault["aliases"])),
                    tuple(fault["fix_versions"]),
                )
                for package in known
                for fault in package["vulns"]
            ], len(known)
    return [], 0


def _pip_audit(service: str) -> list[dict]:
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / PIP_AUDIT[0]), *PIP_AUDIT[1:],
            *("--requirement", str(LOCK), "--requirement", str(CLUSTER_LOCK)),
            *("--disable-pip", "--require-hashes", "--format", "json", "--timeout", "10"),
            *("--progress-spinner", "off", "--vulnerability-service", service),
        ],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    try:
        return json.loads(done.stdout)["dependencies"]
    except json.JSONDecodeError:  # it ended with a traceback: no tool, no network, no service
        return []


def main(arguments: list[str]) -> int:
    pins = pinned()
    if arguments:
        found, looked = in_copy(Path(arguments[0]), pins)
        seen = f"{looked} advisories in {arguments[0]} are about what is pinned"
        missed = f"{arguments[0]} has no advisory about anything that is pinned"
    else:
        found, looked = through_network(pins)
        seen = f"{looked} of {len(pins)} pins are known to the service"
        missed = "pip-audit reached no service that knows what is pinned"
    if not looked:
        print(f"could not look: {missed}", file=sys.stderr)
        return COULD_NOT_LOOK
    print("\n".join([*map(str, found), f"{seen}; {len(found)} findings"]))
    return FOUND if found else NONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
