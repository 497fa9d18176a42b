"""Replays, with a run that only pretends: what is asked first, what is compared, what is said."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from audit.digest import digest_bytes, digest_file
from audit.errors import AuditError
from audit.stages import replay as module
from audit.stages.bundle import bundle
from audit.stages.replay import replay
from audit.stages.verify import verify
from tests.stages.evidence_run import MODEL, edit, finished_run

METHODS = "method,seconds_per_image,mean_iou\ngradcam,{seconds},{iou}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose model and annotations lie where its config says."""
    monkeypatch.chdir(tmp_path)
    Path("m.keras").write_bytes(MODEL)
    Path("a.json").write_text("[]")
    Path("i").mkdir()
    root = finished_run(tmp_path / "zoo")
    (root / "methods.csv").write_text(METHODS.format(seconds=0.1, iou=0.5))
    record(root, lambda h: h.update(annotations={"/there/a.json": digest_bytes(b"[]")}))
    reseal(root)
    return root


def record(root, change):
    values = json.loads((root / "provenance.json").read_text())
    change(values["hashes"])
    (root / "provenance.json").write_text(json.dumps(values))


def reseal(root):
    names = ("per_class.csv", "predictions.csv", "summary.json", "methods.csv")
    record(root, lambda h: h.update(tables={n: digest_file(root / n) for n in names}))


@pytest.fixture
def pretend(run, monkeypatch):
    """Replaces the run by a copy of the results, changed by ``pretend.change``."""
    calls = []

    def fake(config_file, cores, profile, extra):
        values = yaml.safe_load(config_file.read_text())
        calls.append((values, Path.cwd(), cores))
        root = Path(values["audit"]["output"])
        if extra == (str(root / "stages/index/manifest.json"),):
            (root / "stages/index").mkdir(parents=True)
            (root / "stages/index/manifest.json").write_text("{}")
            return 0
        assert extra == (str(root / "provenance.json"),)
        shutil.copytree(run, root, dirs_exist_ok=True)
        fake.change(root)
        reseal(root)
        return fake.code

    fake.change, fake.code, fake.calls, fake.images = (lambda root: None), 0, calls, "1" * 64
    monkeypatch.setattr(module, "images_digest", lambda layout, manifest: fake.images)
    monkeypatch.setattr(module, "run_audit", fake)
    return fake


def replayed(root, config=None):
    found = verify(root)
    assert found.holds, found.faults
    replay(found, root, config, "2")
    return found


@pytest.mark.parametrize("code", [0, 1])
def test_the_same_tables(run, pretend, code, tmp_path):
    pretend.code = code
    found = replayed(bundle(run).path)
    assert found.holds and "replayed: 4 of 4 tables are the same" in found.notes
    (values, folder, cores), _ = pretend.calls
    assert cores == "2" and folder != tmp_path and not folder.exists()
    assert Path(values["audit"]["output"]).parent == folder
    assert "gate" not in values and "history" not in values
    assert values["audit"]["seed"] == 0 and values["model"]["path"] == "m.keras"


def test_other_figures_are_named(run, pretend):
    pretend.change = lambda root: edit(root / "predictions.csv", b"False", b"True")
    found = replayed(run)
    assert found.faults == ["predictions.csv: the replay wrote other figures"]
    assert "replayed: 3 of 4 tables are the same" in found.notes


def test_seconds_may_differ_and_nothing_beside_them(run, pretend):
    pretend.change = lambda root: (root / "methods.csv").write_text(
        METHODS.format(seconds=7, iou=0.5)
    )
    assert replayed(run).holds
    pretend.change = lambda root: (root / "methods.csv").write_text(
        METHODS.format(seconds=0.1, iou=0.6)
    )
    assert replayed(run).faults == ["methods.csv: the replay wrote other figures"]


def test_other_images_are_told_before_the_model_sees_any(run, pretend):
    pretend.images = "9" * 64
    assert replayed(run).faults[0].startswith("images: are not those that were audited")
    assert len(pretend.calls) == 1


@pytest.mark.parametrize(
    ("name", "told"), [("m.keras", "the model"), ("a.json", "the annotations")]
)
def test_what_was_swapped_is_named_and_nothing_is_run(run, pretend, name, told):
    Path(name).write_bytes(b"another")
    found = replayed(run)
    assert len(found.faults) == 1 and name in found.faults[0] and told in found.faults[0]
    assert pretend.calls == []


@pytest.mark.parametrize("name", ["m.keras", "a.json"])
def test_what_is_gone(run, pretend, name):
    Path(name).unlink()
    with pytest.raises(AuditError, match="no such"):
        replayed(run)


def test_a_config_with_the_paths_of_this_machine(run, pretend, tmp_path):
    values = json.loads((run / "stages/config.json").read_text())
    (tmp_path / "moved").mkdir()
    Path("m.keras").rename(tmp_path / "moved/m.keras")
    values["model"]["path"] = "m.keras"
    values["dataset"] |= {"annotations": "../a.json", "images": "../i"}
    config = tmp_path / "moved/audit.yaml"
    config.write_text(yaml.safe_dump(values))
    found = replayed(run, config)
    assert found.holds and not [n for n in found.notes if "another config" in n]
    values["explain"]["layer"] = "block_3"
    config.write_text(yaml.safe_dump(values))
    assert [n for n in replayed(run, config).notes if "in its section 'explain'" in n]


def test_what_may_explain_a_difference_is_told(run, pretend):
    edit(run / "provenance.json", b'"3.11.7"', b'"3.10.0"')
    notes = " ".join(replayed(run).notes)
    assert "; the run had 3.10.0" in notes and "another state of focus-audit" in notes


def test_a_run_that_stops(run, pretend):
    pretend.code = 2
    with pytest.raises(AuditError, match="did not come to its end"):
        replayed(run)
