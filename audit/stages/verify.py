"""``verify``: whether a bundle, or a results folder, still is what it says it is.

Each check tells its faults, a line each, and the others go on; nothing is unpacked but, into a
private folder that goes away, the tables that the verdict is judged from once more.
"""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit.bundle.chain import SEEN, SIGNED, read_chain
from audit.bundle.manifest import faults as manifest_faults
from audit.bundle.manifest import read_manifest
from audit.bundle.names import CONFIG, CRATE, MANIFEST, RESULTS, SIGNATURE, STATEMENT
from audit.bundle.statement import statement
from audit.config.gate import GateSection
from audit.digest import digest_file
from audit.errors import AuditError, one_line
from audit.gate import VERDICT_VERSION, Verdict
from audit.stages.bundle_crate import crate_faults
from audit.stages.bundle_files import Archive, Files, Folder, Within, read_json
from audit.stages.bundle_files import Results as ResultFiles
from audit.stages.gate import TABLES, judge
from audit.stages.layout import Layout
from audit.stages.sign_off import state_of
from audit.stages.ssh import signer_of

SIGN_OFF = Layout(Path()).sign_off.name
HEX = frozenset("0123456789abcdef")


@dataclass
class Verification:
    """What was found."""

    checked: str
    """What was looked at."""
    faults: list[str] = field(default_factory=list)
    """What does not hold, a line each."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know, and what could not be checked."""

    @property
    def holds(self) -> bool:
        return not self.faults

    def note(self, text: str) -> None:
        self.notes.append(one_line(text))

    def take(self, what: str, faults: Iterable[str]) -> None:
        """Add the faults of one check; one that cannot be made to its end is a fault itself."""
        try:
            for fault in faults:
                self.faults.append(one_line(fault))
        except AuditError as error:
            self.faults.append(error.line())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.faults.append(one_line(f"{what}: is not of the form that is expected: {error!r}"))


def verify(path: Path, signers: Path | None = None, model: str | None = None) -> Verification:
    """Check a bundle (a zip, or the folder that it was unpacked to), or a results folder.

    Parameters
    ----------
    signers: allowed signers; a bundle without a signature by one of them does not hold.
    model: path or SHA-256 of the model that is meant.

    Raises
    ------
    AuditError: it is no bundle and no results folder, or an archive that is not safe to read; or
        there are no such signers, or no such model.
    """
    digest = None if model is None else _model_digest(model)
    if signers is not None and not signers.is_file():
        raise AuditError("no such file of allowed signers", where=str(signers))
    files = _open(path)
    if MANIFEST not in files.names():
        if signers is not None:
            raise AuditError("only a bundle has a signature", where=str(path))
        found = Verification(f"{path}: results folder")
        found.note("what no table or verdict rests on, as pictures, is in no manifest: not checked")
        _check_results(found, ResultFiles(files), model, digest)
        return found
    found = Verification(f"{path}: bundle")
    _check_bundle(found, files, signers)
    _check_results(found, ResultFiles(Within(files, RESULTS)), model, digest)
    return found


def results_within(path: Path) -> ResultFiles:
    """The results of a bundle, or of a results folder."""
    files = _open(path)
    return ResultFiles(Within(files, RESULTS) if MANIFEST in files.names() else files)


def _open(path: Path) -> Files:
    if path.is_dir():
        folder = Folder(path)
        if not {MANIFEST, "provenance.json"} & set(folder.names()):
            raise AuditError("is no bundle and no results folder", where=str(path))
        return folder
    if not path.is_file():
        raise AuditError("no such file or folder", where=str(path))
    archive = Archive(path)
    if MANIFEST not in archive.names():
        raise AuditError(f"is no bundle: it has no {MANIFEST}", where=str(path))
    return archive


def _check_bundle(found: Verification, files: Files, signers: Path | None) -> None:
    """What only a bundle has."""
    try:
        listed = read_manifest(files.read(MANIFEST))
    except AuditError as error:
        found.faults.append(error.line())
        listed = {}
    results = ResultFiles(Within(files, RESULTS))
    found.checked += f", {len(files.names())} files"
    found.take(MANIFEST, _manifest(found, files, listed))
    found.take(SIGNATURE, _signature(found, files, signers))
    found.take(STATEMENT, _attestation(files, results, listed))
    found.take(CRATE, _crate(files, results, listed))


def _manifest(found: Verification, files: Files, listed: dict[str, str]) -> Iterator[str]:
    digests = {}
    for name in files.names():
        try:
            digests[name] = files.digest(name)
        except AuditError as error:
            found.faults.append(error.line())
    yield from manifest_faults(listed, files.names(), digests)


def _signature(found: Verification, files: Files, signers: Path | None) -> Iterator[str]:
    if SIGNATURE not in files.names():
        if signers is not None:
            yield f"{SIGNATURE}: is missing: the bundle is not signed"
        else:
            found.note("the bundle has no signature")
        return
    try:
        told = signer_of(files.read(MANIFEST), files.read(SIGNATURE), signers)
    except AuditError as error:
        yield f"{SIGNATURE}: {error.line()}"
        return
    found.note(told + ("" if signers else "; whose key that is, --signers tells"))


def _attestation(files: Files, results: ResultFiles, listed: dict[str, str]) -> Iterator[str]:
    made = statement(results.json("verdict.json"), results.provenance, listed)
    yield from _differences(made, read_json(files, STATEMENT))


def _crate(files: Files, results: ResultFiles, listed: dict[str, str]) -> Iterator[str]:
    yield from crate_faults(read_json(files, CRATE), listed, results.provenance)


def _differences(made: dict[str, Any], stored: dict[str, Any]) -> Iterator[str]:
    """Fields that are not what the results give; further ones are allowed by in-toto."""
    for key, value in made.items():
        if key == "predicate":
            inside = stored.get(key)
            inside = inside if isinstance(inside, dict) else {}
            yield from (
                f"{STATEMENT}: predicate.{k} is not that of the results"
                for k, v in value.items()
                if inside.get(k) != v
            )
        elif stored.get(key) != value:
            yield f"{STATEMENT}: {key} is not that of the results"


def _check_results(
    found: Verification, results: ResultFiles, model: str | None, digest: str | None
) -> None:
    """What a results folder holds by itself, in a bundle or not. ``digest``: of ``model``."""
    found.take("provenance.json", _tables(results))
    found.take(CONFIG, _config(results))
    found.take("verdict.json", _verdict(found, results))
    found.take(SIGN_OFF, _sign_off(found, results))
    if model is not None:
        found.take("provenance.json", _model(results, model, digest))


def _tables(results: ResultFiles) -> Iterator[str]:
    for name in results.changed_tables():
        yield f"{name}: is not the table that provenance.json lists"


def _config(results: ResultFiles) -> Iterator[str]:
    if results.json(CONFIG) != results.provenance["config"]:
        yield f"{CONFIG}: is not the config that provenance.json states"


def _sign_off(found: Verification, results: ResultFiles) -> Iterator[str]:
    try:
        log = results.files.read(SIGN_OFF)
    except KeyError:
        log = b""
    entries, faults = read_chain(log)
    digests = {n: d for n in (*SIGNED, *SEEN) if (d := results.digest(n))}
    yield from (f"{SIGN_OFF}: {fault}" for fault in faults)
    if not faults:
        found.note(state_of(entries, faults, digests).sentence())


def _model(results: ResultFiles, model: str, digest: str | None) -> Iterator[str]:
    if digest not in results.provenance["hashes"]["model"].values():
        yield f"{model}: is not the model that was audited: its SHA-256 is another one"


def _model_digest(model: str) -> str:
    """``model``: a SHA-256, or the path of a model."""
    if len(model) == 64 and set(model.lower()) <= HEX:
        return model.lower()
    if not Path(model).exists():
        raise AuditError("no such model", where=model)
    return digest_file(model)


def _verdict(found: Verification, results: ResultFiles) -> Iterator[str]:
    """The verdict against itself, its policy against the config, and judged once more."""
    values = results.json("verdict.json")
    if values.get("schema_version") != VERDICT_VERSION:
        found.note(f"verdict.json: is of version {values.get('schema_version')}: not judged again")
        return
    try:
        stored = Verdict.read(values)
        policy = GateSection.model_validate(results.provenance["config"]["gate"])
    except ValidationError as error:
        yield f"verdict.json: has a policy that is none: {error.errors()[0]['msg']}"
        return
    if any(results.digest(name) != stored.tables.get(name) for name in TABLES):
        yield "verdict.json: is of other tables than those that are here"
        return
    if stored.policy != policy:
        yield "verdict.json: its policy is not that of the config"
    if policy.baseline is not None:
        found.note("verdict.json: not judged again, since the baseline is not part of the results")
    else:
        again = _judged_again(results, policy, stored.date)
        if _outcomes(again.values()) != _outcomes(values):
            yield "verdict.json: is not what the tables give, judged again"
            return
    if _outcomes(stored.values()) != _outcomes(values):
        yield "verdict.json: its result is not that of its checks and waivers"


def _judged_again(results: ResultFiles, policy: GateSection, day: datetime.date) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        for name in (*TABLES, "provenance.json"):
            (Path(folder) / name).write_bytes(results.files.read(name))
        return judge(Path(folder), policy, day)


def _outcomes(values: dict[str, Any]) -> str:
    """What a verdict says, without its sentences, whose words may change."""
    keys = ("class_name", "limit", "finding", "bound", "observed", "found", "breaks", "state")
    checks = [[check[key] for key in keys] for check in values["checks"]]
    return json.dumps([values["result"], values["counts"], checks])
