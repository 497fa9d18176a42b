"""Runs of the workflow leave an entry each in the history that their config names."""

import json

import pytest

from audit.stages.history import series


@pytest.mark.slow
def test_each_run_leaves_one_entry(tmp_path, colours, colour_config, write_config, focus_audit):
    values = colour_config(
        colours, history={"file": "kept/history.db"}, sanity={"images": 0},
        confirm={"classes": "none"},
    )  # fmt: skip
    path = write_config(tmp_path, values)
    away = tmp_path / "away"
    away.mkdir()
    for _ in range(2):
        done = focus_audit("run", path, "--cores", 2, cwd=away)
        assert done.returncode == 0, done.stderr
    # The path is relative to the config, not to where the run was started.
    (every, *classes) = series(tmp_path / "kept/history.db")
    assert len(every.rows) == 1 and [s.class_name for s in classes] == ["blue", "green", "red"]
    receipt = json.loads((away / "reports/colours/stages/history.json").read_text())
    assert receipt["key"] == every.rows[0]["key"]
    done = focus_audit("history", tmp_path / "kept/history.db", "--class", "blue", cwd=away)
    assert done.returncode == 0 and "colours: blue, gradcam" in done.stdout
