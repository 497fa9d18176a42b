"""Bundles: the same bytes each time, what goes in, and what does not."""

import json
import shutil
import subprocess
import zipfile

import pytest

from audit.cli import main
from audit.errors import AuditError
from audit.stages import bundle as module
from audit.stages.bundle import bundle
from audit.stages.sign_off import sign_off
from tests.stages.evidence_run import edit, finished_run

SIGN = {"reviewer": "Ann", "role": "QA", "decision": "approve", "reason": "looked at all pictures"}

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "zoo")


def names(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_same_report_gives_the_same_bytes(run, tmp_path):
    first = bundle(run)
    assert first.path == tmp_path / "zoo-evidence.zip"
    again = bundle(run, tmp_path / "again.zip")
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.manifest == again.manifest and first.files == len(names(first.path))


def test_what_is_in_it(run):
    sign_off(run, **SIGN)
    packed = names(bundle(run).path)
    assert packed == sorted(packed)
    for name in ("README.md", "manifest-sha256.txt", "ro-crate-metadata.json", "Snakefile",
                 "attestation.intoto.json", "workflow/rules/judge.smk", "results/sign_off.jsonl",
                 "results/overlays/flagged 1.jpg", "results/stages/config.json",
                 "results/benchmarks/explain/0-ab.tsv"):  # fmt: skip
        assert name in packed
    assert not [n for n in packed if "heatmaps" in n or ".lock" in n]


def test_stages_when_asked_for(run):
    (run / ".summary.json.x.part").touch()
    (run / "stages" / "heartbeat.json").touch()
    packed = names(bundle(run, with_stages=True).path)
    assert "results/stages/heatmaps.parquet" in packed
    assert not [n for n in packed if n.endswith((".lock", ".part", "heartbeat.json"))]


def test_nothing_of_this_machine_is_in_the_entries(run):
    with zipfile.ZipFile(bundle(run).path) as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {i.external_attr >> 16 for i in archive.infolist()} == {0o100644}
        assert all(not i.extra and not i.comment for i in archive.infolist())


@needs_ssh
def test_an_auditor_needs_common_tools_alone(run, tmp_path):
    """The lines of the bundle's own README, typed in."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    packed, folder = bundle(run, key=key), tmp_path / "x"
    with zipfile.ZipFile(packed.path) as archive:
        archive.extractall(folder)
    readme, signers = (folder / "README.md").read_text(), tmp_path / "allowed_signers"
    signers.write_text(f"NAME {key.with_suffix('.pub').read_text()}")
    block = readme.split("```sh\n")[1].split("```")[0].replace("allowed_signers", f"'{signers}'")

    def typed():
        command = ["bash", "-c", "LC_ALL=C\n" + block]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout

    good, digest = typed().splitlines()
    assert good.startswith('Good "focus-audit" signature for NAME')
    statement = json.loads((folder / "attestation.intoto.json").read_text())
    assert digest.split()[0] == statement["subject"][1]["digest"]["sha256"]
    (folder / "results/extra ü.csv").write_text("x")
    edit(folder / "results/predictions.csv", b"False", b"True")
    told = typed()
    assert "< results/extra ü.csv" in told and "results/predictions.csv: FAILED" in told


def test_the_attestation_is_of_the_gates_checks(run):
    with zipfile.ZipFile(bundle(run).path) as archive:
        predicate = json.loads(archive.read("attestation.intoto.json"))["predicate"]
    assert predicate["result"] == "WARNED" and predicate["warnedTests"] == ["class/verdict/cat"]
    assert "overall/min_accuracy" in predicate["passedTests"] and predicate["failedTests"] == []


def test_changed_tables_are_no_evidence(run):
    edit(run / "predictions.csv", b"False", b"True")
    with pytest.raises(AuditError, match="predictions.csv: is not the table that provenance.json"):
        bundle(run)


@pytest.mark.parametrize("name", ["verdict.json", "provenance.json", "stages/config.json"])
def test_a_run_that_has_not_ended(run, name):
    (run / name).unlink()
    with pytest.raises(AuditError, match=f"{name}: is missing"):
        bundle(run)


@pytest.mark.parametrize("name", ["verdict.json", "provenance.json"])
def test_a_run_of_another_version(run, name):
    edit(run / name, b'"schema_version": "1"', b'"schema_version": "0"')
    with pytest.raises(AuditError, match=f"{name}: was written by another version"):
        bundle(run)


def test_a_broken_sign_off_log(run):
    sign_off(run, **SIGN)
    edit(run / "sign_off.jsonl", b"Ann", b"Bob")
    with pytest.raises(AuditError, match=r"sign_off\.jsonl: is broken: entry 1 was changed"):
        bundle(run)


def test_links_are_not_followed(run, tmp_path):
    (tmp_path / "secret").write_text("s")
    (run / "overlays/link.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(AuditError, match="is a link"):
        bundle(run)


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "\u202egpj.csv"])
def test_names_that_not_every_system_keeps(run, name):
    (run / name).write_text("x")
    with pytest.raises(AuditError, match="cannot be packed"):
        bundle(run)


def test_names_that_differ_by_capitals(run):
    (run / "overlays/FLAGGED 1.jpg").write_text("x")
    with pytest.raises(AuditError, match="by capitals alone"):
        bundle(run)


def test_a_file_that_changes_meanwhile(run, tmp_path, monkeypatch):
    made = module._made

    def slow(root, *arguments):
        edit(root / "predictions.csv", b"False", b"True")
        return made(root, *arguments)

    monkeypatch.setattr(module, "_made", slow)
    with pytest.raises(AuditError, match="was changed while it was packed"):
        bundle(run)
    assert not list(tmp_path.glob("*evidence.zip*"))


def test_where_it_may_not_go(run):
    with pytest.raises(AuditError, match="lies in the folder that is packed"):
        bundle(run, run / "evidence.zip")
    with pytest.raises(AuditError, match="is no results folder"):
        bundle(run / "none")


def test_without_ssh_keygen_one_line_says_so(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "key").write_text("x")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bundle", str(run), "--sign", str(tmp_path / "key")]) == 2
    told = capsys.readouterr().err
    assert "ssh-keygen was not found" in told and told.count("\n") == 1


@needs_ssh
def test_what_is_no_key(run, tmp_path, capsys):
    (tmp_path / "key").write_text("x")
    assert main(["bundle", str(run), "--sign", str(tmp_path / "key")]) == 2
    assert main(["bundle", str(run), "--sign", str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "does not sign" in told[0] and "is no key file" in told[1]
