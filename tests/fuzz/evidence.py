"""What a finished run left, after somebody else had it: bundles, tables, sign-offs, histories."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa

from audit.bundle.chain import read_chain
from audit.bundle.manifest import read_manifest
from audit.digest import digest_file
from audit.errors import AuditError
from audit.stages.compare_runs import compare_runs
from audit.stages.export_summary import export_summary
from audit.stages.gate import gate, judge, stored_verdict, today, told, write_junit
from audit.stages.history import entry, lines, series
from audit.stages.layout import TABLES as WRITTEN
from audit.stages.verify import verify
from audit.tables.cells import read_rows
from audit.tables.history import add_run, read_runs
from audit.tables.parquet import iterate_rows, read_table, write_rows
from tests.stages.evidence_run import CONFIG, finished_run
from tests.stages.finished import write_finished

from .target import target

PARTS = b"\n=====\n"


@cache
def _run() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-run-"))
    return finished_run(folder / "zoo")


@cache
def _tables_run() -> Path:
    """One with all that is compared."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-run-"))
    root = write_finished(folder / "zoo", {"cat": "flagged", "dog": "pass"})
    for name in set(WRITTEN) - {p.name for p in root.iterdir()}:
        (root / name).write_text("kind,file_name,reason\n")
    provenance = json.loads((root / "provenance.json").read_bytes())
    provenance["hashes"]["tables"] |= dict.fromkeys(WRITTEN, "")
    (root / "provenance.json").write_text(json.dumps(provenance))
    rehashed(root)
    return root


def _bundles() -> list[bytes]:
    from audit.stages.bundle import bundle

    with tempfile.TemporaryDirectory() as folder:
        packed = bundle(_run(), Path(folder) / "b.zip")
        whole = Path(packed.path).read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():  # without the workflow, which is most of it
            if not info.filename.startswith("workflow/"):
                new.writestr(info.filename, old.read(info))
    return [out.getvalue()]


@target(
    "bundle", _bundles, "audit.stages.bundle_files", "audit.stages.verify", "audit.bundle.manifest",
    "audit.bundle.chain", "audit.stages.bundle_crate", kind="zip", seconds=5,
)  # fmt: skip
def bundle_archive(data: bytes, folder: Path) -> None:
    (folder / "b.zip").write_bytes(data)
    found = verify(folder / "b.zip")
    assert all(line.isprintable() for line in (*found.faults, *found.notes))


@target(
    "manifest",
    lambda: [b"0" * 64 + b"  a.csv\n" + b"1" * 64 + b"  results/b.csv\n"],
    "audit.bundle.manifest",
)
def manifest(data: bytes, folder: Path) -> None:
    read_manifest(data)


def _logs() -> list[bytes]:
    from audit.stages.sign_off import sign_off

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "zoo"
        shutil.copytree(_run(), root)
        said = {"reviewer": "A", "role": "QA", "reason": "seen"}
        sign_off(root, decision="approve", **said)
        sign_off(root, decision="conditional", conditions="more data", **said)
        return [(root / "sign_off.jsonl").read_bytes()]


@target("sign_off", _logs, "audit.bundle.chain")
def sign_off_log(data: bytes, folder: Path) -> None:
    read_chain(data)


FILES = ("summary.json", "provenance.json", "verdict.json", "per_class.csv")


@target("results", lambda: [
    bytes([48 + k]) + (_tables_run() / name).read_bytes() for k, name in enumerate(FILES)
], "audit.stages.gate", "audit.stages.history", "audit.gate.verdict", "audit.gate.figures",
   "audit.stages.compare_runs", "audit.stages.export_summary", kind="numbered", seconds=10)  # fmt: skip
def results(data: bytes, folder: Path) -> None:
    """One file of a finished run is another; its digest is put right, as somebody would who lies."""
    root = folder / "zoo"
    shutil.copytree(_tables_run(), root)
    (root / FILES[(data[0] - 48) % len(FILES) if data else 0]).write_bytes(data[1:])
    rehashed(root)
    refused = [e for ask in _questions(root) if (e := _refusal(ask)) is not None]
    if refused:
        raise refused[0]


def _questions(root: Path) -> list[Callable[[], object]]:
    """What a user asks of a results folder."""
    return [
        lambda: told(gate(root, today())),
        lambda: write_junit(stored_verdict(root), root.parent / "j.xml"),
        lambda: judge(root, CONFIG.gate, today()),
        lambda: entry(root),
        lambda: export_summary(root, today()),
        lambda: compare_runs(_tables_run(), root),
    ]


def _refusal(ask: Callable[[], object]) -> AuditError | None:
    try:
        ask()
    except AuditError as error:
        return error
    return None


def rehashed(root: Path) -> None:
    """The provenance's digests put right, as somebody would who lies."""
    try:
        values = json.loads((root / "provenance.json").read_bytes())
        values["hashes"]["tables"] = {n: digest_file(root / n) for n in values["hashes"]["tables"]}
        (root / "provenance.json").write_text(json.dumps(values))
    except Exception:  # it is the provenance that was changed
        return


SCHEMA = pa.schema([("a", pa.string()), ("b", pa.float64()), ("c", pa.list_(pa.float32()))])


def _tables() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"a": f"x{k}", "b": k / 3, "c": [k, 1.0]} for k in range(40)]
        write_rows(Path(folder) / "t.parquet", SCHEMA, rows)
        return [
            b"p" + (Path(folder) / "t.parquet").read_bytes(),
            b"c" + (_run() / "per_class.csv").read_bytes(),
        ]


@target("table", _tables, "audit.tables.parquet", "audit.tables.cells")
def table(data: bytes, folder: Path) -> None:
    path = folder / "t"
    path.write_bytes(data[1:])
    if data[:1] == b"p":
        read_table(path)
        list(iterate_rows(path, ["a", "c"]))
        return
    try:
        read_rows(path)
    except (UnicodeDecodeError, ValueError) as error:  # as it says of itself
        assert "csv" in type(error).__module__ or isinstance(error, ValueError)


def _histories() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        add_run(Path(folder) / "h.db", *entry(_tables_run()))
        data = (Path(folder) / "h.db").read_bytes()
        with sqlite3.connect(Path(folder) / "h.db") as file:
            file.execute("ALTER TABLE runs RENAME TO r")
            file.execute("CREATE VIEW runs AS SELECT * FROM r")
        return [data, (Path(folder) / "h.db").read_bytes()]


@target("history", _histories, "audit.tables.history", "audit.stages.history",
        tokens=(b"CREATE VIEW ", b"TEXT", b"REAL", b"runs", b"classes"))  # fmt: skip
def history(data: bytes, folder: Path) -> None:
    (folder / "h.db").write_bytes(data)
    read_runs(folder / "h.db")
    lines(series(folder / "h.db"))
    add_run(folder / "h.db", *entry(_tables_run()))
