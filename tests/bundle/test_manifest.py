"""The manifest: what it lists, what it refuses, and the system's own sha256sum on it."""

import hashlib
import subprocess

import pytest

from audit.bundle.manifest import faults, manifest_bytes, read_manifest, results_digest
from audit.errors import AuditError
from audit.tables.archive import name_fault, twice

A, B = "a" * 64, "b" * 64


def test_what_is_written_reads_back_sorted():
    digests = {"results/ü 1.csv": A, "README.md": B, "results/B.csv": B}
    data = manifest_bytes(digests)
    assert data.decode() == f"{B}  README.md\n{B}  results/B.csv\n{A}  results/ü 1.csv\n"
    assert read_manifest(data) == digests


def test_sha256sum_reads_it(tmp_path):
    (tmp_path / "a b*ü.txt").write_bytes(b"text")
    digest = hashlib.sha256(b"text").hexdigest()
    (tmp_path / "m.txt").write_bytes(manifest_bytes({"a b*ü.txt": digest}))
    done = subprocess.run(["sha256sum", "--check", "m.txt"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_digest_of_the_results_is_that_of_the_shell(tmp_path):
    data = manifest_bytes({"results/a": A, "results/b": B, "results.txt": A, "x/results/a": B})
    (tmp_path / "m.txt").write_bytes(data)
    command = "grep '  results/' m.txt | sha256sum"
    told = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout.split()[0] == results_digest(read_manifest(data))


@pytest.mark.parametrize(
    "line",
    [f"{A} a\n", f"{A[:-1]}  a\n", f"{A.upper()}  a\n", "\n", f"{A}  ../a\n", f"{A}  /a\n",
     f"{A}  a\n{B}  a\n", f"{A}  a\r\n", f"\\{A}  a\n", "\xff\n"],
)  # fmt: skip
def test_what_is_no_manifest(line):
    with pytest.raises(AuditError, match=r"manifest-sha256\.txt"):
        read_manifest(line.encode("latin-1"))


def test_each_fault_names_its_file():
    listed = {"a": A, "b": B, "c": A}
    assert faults(listed, ["a", "b", "c", "manifest-sha256.txt"], dict(listed)) == []
    told = faults(listed, ["a", "b", "d"], {"a": A, "b": A, "d": A})
    assert [line.split(":")[0] for line in told] == ["b", "c", "d"]
    assert "changed" in told[0] and "missing" in told[1] and "not in the manifest" in told[2]


@pytest.mark.parametrize(
    "name",
    ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "C:/a", "a\\b", "a\nb", "a\x1bb", "x" * 1001,
     "a/\u202egpj.exe"],
)  # fmt: skip
def test_names_that_lead_elsewhere(name):
    assert name_fault(name) is not None
    with pytest.raises(AuditError, match="cannot be packed"):
        manifest_bytes({name: A})


def test_names_that_are_fine():
    assert [name_fault(n) for n in ("a", "overlays/ünïcode (1).jpg", "...", "a..b", "=x")] == [
        None
    ] * 5
    assert twice(["a/B", "a/b", "c"]) == ["a/B", "a/b"] and twice(["a", "b"]) == []
