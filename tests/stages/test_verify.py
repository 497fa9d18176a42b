"""Verification: every way to change a bundle has its line."""

import hashlib
import json
import shutil
import subprocess
import zipfile

import pytest

from audit.bundle.manifest import manifest_bytes, read_manifest
from audit.cli import main
from audit.digest import digest_bytes
from audit.stages.bundle import bundle
from audit.stages.sign_off import sign_off
from audit.stages.verify import verify
from tests.stages.evidence_run import HOSTILE, MODEL, edit, finished_run

SIGN = {"reviewer": "Ann", "role": "QA", "decision": "approve", "reason": "looked at all pictures"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Folder with the key of Ann, who is allowed, and of Eve, who is not."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ann", "eve"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        subprocess.run(command, check=True)
    (folder / "signers").write_text(f"ann@example.org {(folder / 'ann.pub').read_text()}")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was signed off twice; only to be read."""
    root = finished_run(tmp_path_factory.mktemp("run") / "zoo")
    for reason in ("first look", "second look"):
        sign_off(root, **SIGN | {"reason": reason})
    return root


@pytest.fixture(scope="module")
def packed(run, keys):
    return bundle(run, key=keys / "ann").path


@pytest.fixture
def unpacked(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "x")
    return tmp_path / "x"


def seal(folder):
    """A forger's manifest: made anew over what lies there."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    digests = {
        n: digest_bytes(p.read_bytes()) for n, p in files.items() if not n.startswith("manifest")
    }
    (folder / "manifest-sha256.txt").write_bytes(manifest_bytes(digests))


def told(path, **options):
    return verify(path, **options).faults


def test_all_holds(packed, unpacked, run, keys):
    for path, options in ((packed, {"signers": keys / "signers"}), (unpacked, {}), (run, {})):
        found = verify(path, **options)
        assert found.holds, found.faults
        assert "approved by Ann (QA) on" in " ".join(found.notes)
    assert "for ann@example.org with ED25519 key" in " ".join(
        verify(packed, keys / "signers").notes
    )


CHANGES = {
    "a figure": ("results/predictions.csv", b"True", b"False"),
    "a row that is gone": ("results/predictions.csv", b"b.jpg,False\n", b""),
    "a picture": ("results/overlays/flagged 1.jpg", b"picture", b"Picture"),
    "the workflow": ("workflow/rules/judge.smk", b"rule judge", b"rule judgE"),
    "the attestation": ("attestation.intoto.json", b"WARNED", b"PASSED"),
    "the crate": ("ro-crate-metadata.json", b"zoo", b"ark"),
    "the verdict": ("results/verdict.json", b'"result": "pass"', b'"result": "fail"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_named(unpacked, change):
    name, old, new = CHANGES[change]
    edit(unpacked / name, old, new)
    assert f"{name}: was changed: its digest is not that of the manifest" in told(unpacked)


def test_files_that_are_missing_or_too_many(unpacked):
    (unpacked / "results/overlays/flagged 1.jpg").unlink()
    (unpacked / "results/extra.csv").write_text("x")
    assert told(unpacked) == [
        "results/extra.csv: is not in the manifest",
        "results/overlays/flagged 1.jpg: is missing",
    ]


def test_a_manifest_made_anew_is_not_the_signed_one(unpacked, keys):
    edit(unpacked / "results/overlays/flagged 1.jpg", b"picture", b"Picture")
    seal(unpacked)
    faults = told(unpacked)
    assert [f for f in faults if f.startswith("manifest-sha256.txt.sig: does not hold")]
    assert "ro-crate-metadata.json: results/overlays/flagged 1.jpg: has another SHA-256" in str(
        faults
    )
    assert "attestation.intoto.json: subject is not that of the results" in faults
    assert "manifest-sha256.txt.sig: does not hold" in str(told(unpacked, signers=keys / "signers"))


FORGERIES = {
    "predictions.csv": (
        b"True",
        b"False",
        "predictions.csv: is not the table that provenance.json",
    ),
    "per_class.csv": (b"0.9", b"0.8", "per_class.csv: is not the table that provenance.json"),
    "verdict.json": (b'"bound": 0.5', b'"bound": 0.1', "is not what the tables give, judged again"),
    "stages/config.json": (b'"seed": 0', b'"seed": 1', "is not the config that provenance.json"),
    "sign_off.jsonl": (b"second look", b"another one", "sign_off.jsonl: entry 2 was changed"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_manifest_made_anew_does_not_hide_a_forgery(unpacked, name):
    """With no signature to break."""
    old, new, fault = FORGERIES[name]
    edit(unpacked / "results" / name, old, new)
    (unpacked / "manifest-sha256.txt.sig").unlink()
    seal(unpacked)
    assert [f for f in told(unpacked) if fault in f]


def test_a_crate_of_another_model(unpacked):
    edit(unpacked / "ro-crate-metadata.json", hashlib.sha256(MODEL).hexdigest().encode(), b"0" * 64)
    fault = "ro-crate-metadata.json: #model-0 (m.keras): has another SHA-256 than provenance.json"
    assert fault in told(unpacked)


def test_a_forged_figure_with_forged_digests_gives_another_verdict(unpacked):
    """Table, provenance and the verdict's own digests agree; the checks do not."""
    results = unpacked / "results"
    table = results / "per_class.csv"
    old = digest_bytes(table.read_bytes())
    edit(table, b"0.9", b"0.4")
    for name in ("provenance.json", "verdict.json"):
        edit(results / name, old.encode(), digest_bytes(table.read_bytes()).encode())
    faults = told(results)
    assert faults == ["verdict.json: is not what the tables give, judged again"]


def test_an_edited_result_of_the_verdict(run, tmp_path):
    root = shutil.copytree(run, tmp_path / "zoo")
    edit(root / "verdict.json", b'"result": "pass"', b'"result": "fail"')
    assert "verdict.json: is not what the tables give, judged again" in told(root)


def test_a_weaker_policy(run, tmp_path):
    root = shutil.copytree(run, tmp_path / "zoo")
    values = json.loads((root / "verdict.json").read_text())
    values["policy"]["overall"]["min_accuracy"] = 0.1
    (root / "verdict.json").write_text(json.dumps(values))
    assert "verdict.json: its policy is not that of the config" in told(root)


def test_an_entry_cut_off_the_end_is_told_by_the_manifest(unpacked):
    log = unpacked / "results/sign_off.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert told(unpacked)[0].startswith("results/sign_off.jsonl: was changed")


def test_a_sign_off_of_earlier_results_is_said_to_be_one(run, tmp_path):
    root = shutil.copytree(run, tmp_path / "zoo")
    edit(root / "provenance.json", b"10:01:00", b"10:02:00")
    found = verify(root)
    assert found.holds and "not signed off as it is: approved by Ann" in " ".join(found.notes)


def test_the_wrong_signer(run, keys, tmp_path):
    by_eve = bundle(run, tmp_path / "eve.zip", keys / "eve").path
    assert verify(by_eve).holds
    assert "is by none of the allowed signers" in told(by_eve, signers=keys / "signers")[0]
    unsigned = bundle(run, tmp_path / "none.zip").path
    assert "the bundle has no signature" in verify(unsigned).notes
    assert "is not signed" in told(unsigned, signers=keys / "signers")[0]


def test_a_signature_for_another_purpose(unpacked, keys):
    (unpacked / "manifest-sha256.txt.sig").unlink()
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(keys / "ann")]
    subprocess.run([*command, str(unpacked / "manifest-sha256.txt")], check=True)
    assert "manifest-sha256.txt.sig: does not hold" in told(unpacked, signers=keys / "signers")[0]


def test_a_swapped_model(packed, tmp_path):
    (tmp_path / "m.keras").write_bytes(MODEL)
    digest = hashlib.sha256(MODEL).hexdigest()
    assert told(packed, model=str(tmp_path / "m.keras")) == told(packed, model=digest) == []
    (tmp_path / "m.keras").write_bytes(b"other weights")
    fault = "m.keras: is not the model that was audited: its SHA-256 is another one"
    assert fault in told(packed, model=str(tmp_path / "m.keras"))[0]
    assert "is not the model that was audited" in told(packed, model="0" * 64)[0]


def test_what_is_asked_for_and_not_there(packed, run, tmp_path, capsys):
    for options in (["--model", "none.keras"], ["--signers", str(tmp_path / "none")]):
        assert main(["verify", str(packed), *options]) == 2
    (tmp_path / "signers").touch()
    assert main(["verify", str(run), "--signers", str(tmp_path / "signers")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3 and "only a bundle has a signature" in told[2]


def test_the_command(packed, unpacked, capsys):
    assert main(["verify", str(packed)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "All holds" and "\x1b" not in out and HOSTILE not in out
    (unpacked / "README.md").unlink()
    assert main(["verify", str(unpacked)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "  FAULT: README.md: is missing" in out and out[-1] == "Does not hold: 1 fault"


@pytest.mark.parametrize("text", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_bundle(tmp_path, text, capsys):
    (tmp_path / "b.zip").write_bytes(text)
    assert main(["verify", str(tmp_path / "b.zip")]) == 2
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 3


@pytest.mark.parametrize(
    "name",
    ["manifest-sha256.txt", "attestation.intoto.json", "ro-crate-metadata.json",
     "results/provenance.json", "results/verdict.json", "results/sign_off.jsonl",
     "results/stages/config.json"],
)  # fmt: skip
@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"a": NaN', b"\xff", b"[" * 99999])
def test_nonsense_in_any_file_is_a_fault_and_no_traceback(unpacked, name, text):
    (unpacked / name).write_bytes(text)
    found = told(unpacked)
    assert found and all("\n" not in fault for fault in found)


def test_a_damaged_archive(packed, tmp_path):
    data = bytearray(packed.read_bytes())
    start = data.index(b"results/overlays/flagged 1.jpg") + 32
    data[start] ^= 0xFF
    (tmp_path / "b.zip").write_bytes(data)
    assert [f for f in told(tmp_path / "b.zip") if "results/overlays/flagged 1.jpg" in f]
    assert main(["verify", str(tmp_path / "b.zip")]) == 1


def test_reading_leaves_nothing_behind(packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert verify(packed).holds and list(tmp_path.iterdir()) == []


def test_the_manifest_lists_everything_but_itself(packed):
    with zipfile.ZipFile(packed) as archive:
        listed = read_manifest(archive.read("manifest-sha256.txt"))
        names = set(archive.namelist())
    assert names - set(listed) == {"manifest-sha256.txt", "manifest-sha256.txt.sig"}
