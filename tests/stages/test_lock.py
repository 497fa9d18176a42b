"""One run at a time: the lock is held by what is alive, and by nothing else."""

import os

import pytest

from audit.config.model import Config
from audit.errors import AuditError
from audit.stages.layout import Layout
from audit.stages.lock import HELD, take_lock
from audit.stages.workflow import AuditRun


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv(HELD, raising=False)
    values = {
        "audit": {"name": "x", "output": str(tmp_path / "reports")},
        "model": {"path": "-", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "-", "images": "-"},
    }
    return AuditRun(Config.model_validate(values))


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path):
    layout = Layout(tmp_path / "reports")
    held = take_lock(layout)
    with pytest.raises(AuditError, match="another run is at work"):
        take_lock(layout)
    os.close(held)
    os.close(take_lock(layout))


def test_bare_snakemake_takes_the_lock_too(run, tmp_path):
    run.start()
    with pytest.raises(AuditError, match="another run is at work"):
        take_lock(Layout(tmp_path / "reports"))


def test_snakemake_below_our_own_command_does_not_ask_again(run, monkeypatch, tmp_path):
    held = take_lock(Layout(tmp_path / "reports"))
    with pytest.raises(AuditError, match="another run is at work"):
        run.start()
    monkeypatch.setenv(HELD, "1")
    run.start()
    os.close(held)
