"""The list of all files of a bundle with their SHA-256, as ``sha256sum -c`` reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from audit.bundle.names import MANIFEST, RESULTS, SIGNATURE
from audit.digest import digest_bytes
from audit.errors import AuditError
from audit.tables.archive import name_fault

LINE = re.compile(r"([0-9a-f]{64})  (.+)")
# What the manifest cannot list: itself, and the signature over it.
UNLISTED = (MANIFEST, SIGNATURE)


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """``<sha256>  <name>``, a line a file, sorted by name.

    Raises
    ------
    AuditError: a name that other systems would not keep.
    """
    for name in digests:
        if fault := name_fault(name):
            raise AuditError(f"{fault}, and cannot be packed", where=repr(name))
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def read_manifest(data: bytes) -> dict[str, str]:
    """File name -> SHA-256.

    Raises
    ------
    AuditError: a line that is none, or a name given twice.
    """
    digests: dict[str, str] = {}
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise AuditError("is not UTF-8", where=MANIFEST) from None
    for number, line in enumerate(lines, start=1):
        if not line and number == len(lines):
            break
        match = LINE.fullmatch(line)
        if match is None or name_fault(match[2]) or match[2] in digests:
            raise AuditError(
                "is no line of a manifest", where=f"{MANIFEST}:{number}",
                expected="a SHA-256, two spaces and a name that is not listed yet", received=line,
            )  # fmt: skip
        digests[match[2]] = match[1]
    return digests


def results_digest(digests: Mapping[str, str]) -> str:
    """One digest for the run's results: over the manifest's lines of that folder.

    The same as ``grep '  results/' manifest-sha256.txt | sha256sum``. The attestation names it; it
    could not name the digest of the manifest, which lists the attestation.
    """
    return digest_bytes(manifest_bytes({n: d for n, d in digests.items() if n.startswith(RESULTS)}))


def faults(listed: Mapping[str, str], names: Iterable[str], found: Mapping[str, str]) -> list[str]:
    """What does not agree, a line a file: changed, missing, not listed.

    ``names``: of all files that are there; ``found``: their digests, where they can be read.
    """
    names = set(names)
    told = []
    for name in sorted(names | set(listed)):
        if name in UNLISTED:
            continue
        if name not in listed:
            told.append(f"{name}: is not in the manifest")
        elif name not in names:
            told.append(f"{name}: is missing")
        elif found.get(name) != listed[name]:
            told.append(f"{name}: was changed: its digest is not that of the manifest")
    return told
