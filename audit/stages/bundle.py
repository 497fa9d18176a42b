"""``bundle``: a finished run as one archive that another person can check without this package."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.bundle.chain import read_chain
from audit.bundle.crate import WORKFLOW, Contents, crate
from audit.bundle.manifest import manifest_bytes
from audit.bundle.names import CONFIG, CRATE, MANIFEST, README, RESULTS, SIGNATURE, STATEMENT
from audit.bundle.readme import readme
from audit.bundle.statement import statement
from audit.bundle.steps import job_of
from audit.digest import CHUNK, digest_bytes, digest_file, package_digest
from audit.errors import AuditError
from audit.gate import VERDICT_VERSION
from audit.stages.bundle_files import Folder, Results
from audit.stages.launch import workflow_root
from audit.stages.layout import Layout
from audit.stages.ssh import sign
from audit.tables.archive import twice
from audit.tables.atomic import atomic_path
from audit.tables.version import SCHEMA_VERSION

REQUIRED = ("provenance.json", "verdict.json", "summary.json", CONFIG)
# The same bytes each time: no clock, no user, no system goes into the archive.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o100644


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    path: Path
    files: int
    manifest: str
    """SHA-256 of the manifest: the bundle in one number."""


def bundle(
    root: Path, out: Path | None = None, key: Path | None = None, with_stages: bool = False
) -> Packed:
    """Pack the results of a finished run.

    Parameters
    ----------
    root: results folder.
    out: file to write; ``<root>-evidence.zip`` beside the folder for None.
    key: SSH private key to sign the manifest with.
    with_stages: pack the intermediate files, heatmaps among them, too.

    Raises
    ------
    AuditError: no finished run, tables that are not those that it wrote, a broken sign-off log, a
        link, or a name that cannot be packed.
    """
    out = _target(root, out)
    names = _results(root, with_stages)
    sources = {RESULTS + name: root / name for name in names} | _workflow()
    if met := twice(sources):
        raise AuditError("differs from another name by capitals alone", where=met[0])
    digests = {name: digest_file(path) for name, path in sources.items()}
    made = _made(root, sources, digests)
    manifest = manifest_bytes(digests | _digests(made))
    made[MANIFEST] = manifest
    if key is not None:
        made[SIGNATURE] = sign(manifest, key)
    _write(out, sources, digests, made)
    return Packed(out, len(sources) + len(made), digest_bytes(manifest))


def _target(root: Path, out: Path | None) -> Path:
    if not root.is_dir():
        raise AuditError("is no results folder", where=str(root), expected="reports/NAME")
    if out is None:
        folder = root.resolve()
        return folder.parent / f"{folder.name}-evidence.zip"
    if out.resolve().is_relative_to(root.resolve()):
        raise AuditError("lies in the folder that is packed", where=str(out))
    return out


def _results(root: Path, with_stages: bool) -> list[str]:
    """Names of what is packed, of a run that is finished and as it was written."""
    files = Folder(root)
    results = Results(files)
    names = [name for name in files.names() if _packed(name, with_stages)]
    for name in REQUIRED:
        if name not in names:
            raise AuditError(
                "is missing", where=str(root / name), hint="run `focus-audit run CONFIG` to its end"
            )
    for name, version in (("provenance.json", SCHEMA_VERSION), ("verdict.json", VERDICT_VERSION)):
        if results.json(name).get("schema_version") != version:
            raise AuditError(
                "was written by another version", where=str(root / name),
                hint="pack it with the version of focus-audit that wrote it",
            )  # fmt: skip
    for name in results.changed_tables():
        raise AuditError(
            "is not the table that provenance.json lists", where=str(root / name),
            hint="what was changed after the run is no evidence; run it again",
        )  # fmt: skip
    log = Layout(root).sign_off
    _, faults = read_chain(log.read_bytes() if log.is_file() else b"")
    if faults:
        raise AuditError(f"is broken: {faults[0]}", where=str(log))
    return names


def _packed(name: str, with_stages: bool) -> bool:
    """Locks, the heartbeat, notes for other nodes and half-written files are no results."""
    last = name.rsplit("/", 1)[-1]
    if last in (".lock", "heartbeat.json", "digests.json") or last.endswith(".part"):
        return False
    return with_stages or name == CONFIG or not name.startswith("stages/")


def _workflow() -> dict[str, Path]:
    """The rules that the crate describes."""
    root = workflow_root()
    rules = [f"workflow/{name}" for name in Folder(root / "workflow").names()]
    return {name: root / name for name in (WORKFLOW, *rules) if "__pycache__" not in name}


def _made(root: Path, sources: Mapping[str, Path], digests: Mapping[str, str]) -> dict[str, bytes]:
    """What only the bundle has: a page to read, crate and attestation."""
    made = {README: readme().encode()}
    results = Results(Folder(root))
    provenance, verdict = results.provenance, results.json("verdict.json")
    benchmarks = [n.removeprefix(RESULTS) for n in sources if n.endswith(".tsv")]
    jobs = [job_of(name, (root / name).read_bytes()) for name in sorted(benchmarks)]
    contents = Contents(
        digests={**digests, **_digests(made)},
        sizes=_sizes(sources, made),
        provenance=provenance,
        name=verdict["name"],
        jobs=[job for job in jobs if job is not None],
        same_package=provenance["hashes"]["package_source"] == package_digest(),
    )
    return {
        **made,
        CRATE: _json(crate(contents)),
        STATEMENT: _json(statement(verdict, provenance, digests)),
    }


def _digests(made: Mapping[str, bytes]) -> dict[str, str]:
    return {name: digest_bytes(data) for name, data in made.items()}


def _sizes(sources: Mapping[str, Path], made: Mapping[str, bytes]) -> dict[str, int]:
    packed = {name: path.stat().st_size for name, path in sources.items()}
    return packed | {name: len(data) for name, data in made.items()}


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write(
    out: Path, sources: Mapping[str, Path], digests: Mapping[str, str], made: Mapping[str, bytes]
) -> None:
    with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted({*sources, *made}):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, UNIX
            info.external_attr = MODE << 16
            if name in made:
                archive.writestr(info, made[name])
                continue
            if _copy(archive, info, sources[name]) != digests[name]:
                raise AuditError(
                    "was changed while it was packed", where=str(sources[name]), hint="try again"
                )


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Path) -> str:
    """Pack a file; SHA-256 of what was packed, since a run that is at work goes on writing."""
    digest = hashlib.sha256()
    info.file_size = source.stat().st_size  # tells whether the entry needs more than 32 bits
    with source.open("rb") as file, archive.open(info, "w") as entry:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            entry.write(chunk)
    return digest.hexdigest()
