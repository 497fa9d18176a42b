"""``--log-format json``: everything on standard error is one object a line."""

import json
import os
import subprocess
import sys
import warnings

import pytest

from audit.cli import main
from audit.cli.log_format import MAX_TRACEBACK, set_log_format
from audit.progress.events import LOG_FORMAT


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setenv(LOG_FORMAT, "text")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


def told(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    "argv", [["score", "--config", "no\x1b.json", "--shard", "0"], ["run", "no\x1b.yaml"]]
)
def test_a_fault_of_the_input(argv, capsys):
    assert main([*argv, "--log-format", "json"]) == 2
    events = told(capsys)
    assert events[-1]["level"] == events[-1]["event"] == "error"
    assert events[-1]["stage"] == argv[0] and r"no\x1b" in events[-1]["text"]


def test_a_warning_and_a_fault_of_the_program(capsys):
    set_log_format("json", "explain", "0-ab")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("mind\nthe gap", UserWarning, "here.py", 1)
    try:
        raise RuntimeError("full moon" + "!" * 5000)
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    warned, failed = told(capsys)
    assert (warned["level"], warned["text"]) == ("warning", r"mind\nthe gap")
    assert failed["event"] == "error" and failed["text"].startswith("RuntimeError: full moon")
    assert failed["shard"] == "0-ab" and len(failed["traceback"]) == MAX_TRACEBACK


def test_text_is_left_as_it_is(capsys):
    before = sys.excepthook
    set_log_format(None, "explain")
    assert sys.excepthook is before
    assert main(["run", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err.startswith("focus-audit: error: nowhere.yaml")


def test_a_caller_can_ask_for_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "audit", "run", "nowhere.yaml"], cwd=tmp_path, capture_output=True,
        env={**os.environ, LOG_FORMAT: "json", "PYTHONPATH": os.getcwd()}, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and json.loads(done.stderr)["event"] == "error"
