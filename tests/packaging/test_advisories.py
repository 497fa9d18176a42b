"""Advisories are looked up offline by OSV's rules, and not having looked is never told as 'none'."""

import json

import pytest
import yaml

from tests.packaging import advisories
from tests.packaging.advisories import Finding, in_copy, is_affected, main
from tests.packaging.packages import Pin

PILLOW = Pin("pillow", "10.1.0", "", ("0" * 64,), ("focus-audit",))


def entry(*events, versions=(), kind="ECOSYSTEM", name="Pillow", ecosystem="PyPI"):
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": kind, "events": [dict([event]) for event in events]}],
        "versions": list(versions),
    }


def record(*affected, **more):
    return {"id": "PYSEC-1-1", "aliases": ["CVE-1-1"], "affected": list(affected)} | more


def write(folder, told, name="vulns/pillow/PYSEC-1-1.yaml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told) if path.suffix == ".json" else yaml.safe_dump(told))
    return folder


@pytest.mark.parametrize(
    ("version", "events", "inside"),
    [
        ("9.9", [("introduced", "0"), ("fixed", "10.0")], True),
        ("10.0", [("introduced", "0"), ("fixed", "10.0")], False),
        ("10.0", [("introduced", "0"), ("last_affected", "10.0")], True),
        ("10.0.1", [("introduced", "0"), ("last_affected", "10.0")], False),
        # As versions, not as text, and in whatever order the events are written.
        ("9.9", [("fixed", "10.0"), ("introduced", "9.5")], True),
        ("9.4", [("fixed", "10.0"), ("introduced", "9.5")], False),
        ("11.2", [("introduced", "9"), ("fixed", "10"), ("introduced", "11")], True),
        ("10.5", [("introduced", "9"), ("fixed", "10"), ("introduced", "11")], False),
        ("10.0rc1", [("introduced", "0"), ("fixed", "10.0")], True),
    ],
)
def test_ranges(version, events, inside):
    assert is_affected(version, entry(*events)) is inside


def test_a_listed_version_is_affected_and_ranges_of_commits_are_not_read():
    assert is_affected("10.1", entry(versions=["10.1.0", "a name of long ago"]))
    assert not is_affected("10.2", entry(versions=["10.1.0"]))
    assert not is_affected("10.1", entry(("introduced", "0"), kind="GIT"))


@pytest.mark.parametrize("name", ["vulns/pillow/PYSEC-1-1.yaml", "PYSEC-1-1.json"])
def test_a_copy_of_the_advisories(tmp_path, name):
    told = record(entry(("introduced", "0"), ("fixed", "10.2.0")))
    found, read = in_copy(write(tmp_path, told, name), [PILLOW])
    assert found == [Finding("pillow", "10.1.0", ("PYSEC-1-1", "CVE-1-1"), ("10.2.0",))]
    assert read == 1
    assert str(found[0]) == "pillow 10.1.0: PYSEC-1-1, CVE-1-1; fixed in 10.2.0"


@pytest.mark.parametrize(
    "told",
    [
        record(entry(("introduced", "0")), withdrawn="2026-01-01T00:00:00Z"),
        record(entry(("introduced", "0"), ecosystem="npm")),
        record(entry(("introduced", "0"), name="pillow-simd")),
    ],
)
def test_withdrawn_records_and_other_packages_count_for_nothing(tmp_path, told):
    assert in_copy(write(tmp_path, told), [PILLOW]) == ([], 0)


def test_exit_codes_tell_found_none_and_not_looked_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(advisories, "pinned", lambda: [PILLOW])
    assert main([str(tmp_path)]) == 3
    assert "could not look" in capsys.readouterr().err
    write(tmp_path, record(entry(("introduced", "11"))))
    assert main([str(tmp_path)]) == 0
    write(tmp_path, record(entry(("introduced", "10"))))
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "pillow 10.1.0: PYSEC-1-1, CVE-1-1; no fixed version",
        f"1 advisories in {tmp_path} are about what is pinned; 1 findings",
    ]


def _pip_audit(monkeypatch, **answers):
    monkeypatch.setattr(advisories, "pinned", lambda: [PILLOW])
    monkeypatch.setattr(advisories, "_pip_audit", lambda service: answers[service])


def test_a_service_that_knew_no_package_has_not_looked(monkeypatch, capsys):
    unknown = [{"name": "pillow", "skip_reason": "Dependency not found on PyPI"}]
    _pip_audit(monkeypatch, pypi=unknown, osv=[])
    assert main([]) == 3
    assert "could not look: pip-audit reached no service" in capsys.readouterr().err


def test_the_second_service_is_asked_where_the_first_knew_nothing(monkeypatch, capsys):
    fault = {"id": "PYSEC-1-1", "aliases": ["CVE-1-1"], "fix_versions": ["10.2.0"]}
    known = [{"name": "pillow", "version": "10.1.0", "vulns": [fault]}]
    _pip_audit(monkeypatch, pypi=[], osv=known)
    assert main([]) == 1
    assert "1 of 1 pins are known to the service; 1 findings" in capsys.readouterr().out
    _pip_audit(monkeypatch, pypi=[known[0] | {"vulns": []}])
    assert main([]) == 0
