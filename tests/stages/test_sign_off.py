"""Sign-offs on a results folder: what is signed, what outdates it, two at once."""

import datetime
import json
import subprocess
import sys

import pytest

from audit.cli import main
from audit.digest import digest_file
from audit.errors import AuditError
from audit.stages.sign_off import sign_off, sign_off_state
from tests.stages.evidence_run import edit, finished_run

SIGN = {"reviewer": "Ann", "role": "QA", "decision": "approve", "reason": "looked at all pictures"}


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "zoo")


def test_nobody_signed(run):
    state = sign_off_state(run)
    assert (state.state, state.last, state.sentence()) == ("none", None, "not signed off")


def test_a_decision_and_the_next(run):
    first = sign_off(run, **SIGN)
    assert first.signed["verdict.json"] == digest_file(run / "verdict.json")
    sign_off(run, **SIGN | {"decision": "conditional", "conditions": "in daylight"})
    state = sign_off_state(run)
    assert state.state == "holds" and [e.number for e in state.entries] == [1, 2]
    assert state.last.conditions == "in daylight" and state.page_seen is None
    assert state.sentence().startswith("approved on conditions by Ann (QA) on 20")
    assert json.loads(json.dumps(state.values()))["entries"][0]["digest"] == first.digest


def test_the_page_is_noted_and_not_signed(run):
    (run / "report.html").write_text("as it was seen")
    sign_off(run, **SIGN)
    assert sign_off_state(run).page_seen is True
    (run / "report.html").write_text("with the sign-off in it")
    state = sign_off_state(run)
    assert state.state == "holds" and state.page_seen is False


@pytest.mark.parametrize("name", ["verdict.json", "per_class.csv", "summary.json"])
def test_what_was_signed_is_changed(run, name):
    sign_off(run, **SIGN)
    (run / name).write_text("changed")
    state = sign_off_state(run)
    assert state.state == "outdated" and state.changed == (name,)
    assert state.sentence().startswith("not signed off as it is: approved by Ann")
    (run / name).unlink()
    assert sign_off_state(run).changed == (name,)


def test_tables_that_the_run_did_not_write_are_not_signed(run):
    edit(run / "predictions.csv", b"False", b"True")
    with pytest.raises(AuditError, match="predictions.csv: is not the table that provenance.json"):
        sign_off(run, **SIGN)
    assert not (run / "sign_off.jsonl").exists()


def test_a_run_without_a_verdict_is_not_signed(run):
    (run / "verdict.json").unlink()
    with pytest.raises(AuditError, match="verdict.json: is missing"):
        sign_off(run, **SIGN)


def test_nothing_is_added_to_a_broken_log(run):
    sign_off(run, **SIGN)
    edit(run / "sign_off.jsonl", b"approve", b"rejects")
    before = (run / "sign_off.jsonl").read_bytes()
    with pytest.raises(AuditError, match="is broken: entry 1 was changed"):
        sign_off(run, **SIGN)
    assert (run / "sign_off.jsonl").read_bytes() == before
    assert sign_off_state(run).sentence().startswith("the sign-off log is broken: entry 1")


def test_the_day_of_the_decision(run):
    entry = sign_off(run, **SIGN, date=datetime.date(2026, 1, 2))
    assert entry.date == "2026-01-02" and not entry.when.startswith("2026-01-02")
    with pytest.raises(AuditError, match="--date: lies in the future"):
        sign_off(run, **SIGN, date=datetime.date(2999, 1, 1))


def test_many_at_once_all_get_in(run):
    code = (
        "import sys; from pathlib import Path; from audit.stages.sign_off import sign_off\n"
        "for k in range(10): sign_off(Path(sys.argv[1]), reviewer=sys.argv[2], role='QA',"
        " decision='reject', reason=str(k))"
    )
    signers = [
        subprocess.Popen([sys.executable, "-c", code, str(run), name]) for name in ("Ann", "Bob")
    ]
    assert [signer.wait(60) for signer in signers] == [0, 0]
    state = sign_off_state(run)
    assert state.state == "holds" and len(state.entries) == 20
    for name in ("Ann", "Bob"):
        assert [e.reason for e in state.entries if e.reviewer == name] == list(map(str, range(10)))


def test_the_command(run, capsys):
    options = ["--reviewer", "A\x1b[2J", "--role", "QA", "--decision", "reject", "--reason", "no"]
    assert main(["sign-off", str(run), *options]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Entry 1: rejected by A\\x1b[2J (QA) on ") and "\x1b" not in told
    assert main(["sign-off", str(run / "none"), *options]) == 2
    assert "is no results folder" in capsys.readouterr().err
