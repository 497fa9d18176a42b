"""Signals to a real run: an orderly end, nothing alive, nothing half written, and the same bytes."""

import json
import os
import shutil
import signal
import time

import pytest

from audit.stages.layout import Layout
from audit.stages.lock import take_lock

from .running import differing, ours, start, wait_for

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

# When the signal comes: as soon as this file is there, and so many seconds later.
MOMENTS = [
    (signal.SIGTERM, "stages/.lock", 0.3),
    (signal.SIGINT, "logs/inspect.log", 1.0),
    (signal.SIGINT, "logs/index.log", 0.0),
    (signal.SIGHUP, "logs/explain/*.log", 0.5),
    (signal.SIGTERM, "stages/progress/explain-*.json", 0.0),
    (signal.SIGINT, "stages/explain/*.records.parquet", 0.0),
    (signal.SIGTERM, "logs/score/*.log", 0.5),
    (signal.SIGINT, "logs/judge.log", 0.3),
    (signal.SIGTERM, "logs/sanity.log", 3.0),
    (signal.SIGHUP, "logs/confirm.log", 2.0),
    (signal.SIGINT, "logs/report.log", 0.5),
]


def assert_stopped(folder, process, number, err):
    root = folder / "reports" / "colours"
    assert process.returncode == CODES[number], err
    last = err.splitlines()[-1]
    name = signal.Signals(number).name
    assert last.startswith(f"focus-audit run: stopped by {name}; run again to go on"), err
    assert "Traceback" not in err and err.count("stopped by") == 1
    assert ours(folder) == []
    assert not list(root.rglob("*.part")) and not list(root.glob("stages/progress/*"))
    os.close(take_lock(Layout(root)))
    heart = json.loads((root / "stages" / "heartbeat.json").read_text())
    assert (heart["state"], heart["exit_code"]) == ("stopped", CODES[number])


@pytest.mark.slow
def test_a_run_that_is_stopped_again_and_again_ends_with_the_same_bytes(
    audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours, run={"shard_size": 10}))
    root = tmp_path / "reports" / "colours"
    stopped = 0
    for number, pattern, delay in MOMENTS:
        since = time.time()
        process = start(tmp_path, "run", "audit.yaml", "--cores", "2")
        wait_for(process, root, [pattern], since)
        time.sleep(delay)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        if process.returncode not in (0, 1):  # the stage may be done by then, and the run with it
            assert_stopped(tmp_path, process, number, err)
            stopped += 1
    assert stopped >= len(MOMENTS) - 2
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert differing(root, audited[1]) == []
    assert json.loads((root / "stages/heartbeat.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_the_run_goes_on(
    tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours))
    # A stage that will not hear: in the middle of its work it blocks all signals.
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys, time\n"
        "if 'explain' in sys.orig_argv:\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\n"
        "    time.sleep(120)\n"
    )
    process = start(tmp_path, "run", "audit.yaml")
    end = time.monotonic() + 120
    while not any("explain" in line for line in ours(tmp_path)) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None, "it waits for the stage"
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert_stopped(tmp_path, process, signal.SIGINT, err)
    (tmp_path / "sitecustomize.py").unlink()
    target = "reports/colours/stages/index/manifest.json"
    done = focus_audit("run", "audit.yaml", "--", target, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# Each step takes long, and says that it has begun; score has workers, few as its records are.
SLOW_STEPS = """
import pathlib, sys, time
if {verb!r} in sys.orig_argv:
    from audit.progress import Progress
    def step(self, count=1):
        pathlib.Path({begun!r}).touch()
        time.sleep(60)
    Progress.step = step
if "score" in sys.orig_argv:
    import audit.stages.score
    audit.stages.score.MIN_PARALLEL = 1
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "verb", "more"),
    [
        (signal.SIGTERM, "explain", ["--shard"]),
        (signal.SIGINT, "score", ["--jobs", "2", "--shard"]),
        (signal.SIGHUP, "overlays", []),
    ],
)
def test_a_stage_by_itself_ends_with_one_line(number, verb, more, audited, tmp_path):
    root = tmp_path / "colours"
    shutil.copytree(audited[1], root)
    (shard,) = json.loads((root / "stages/index/manifest.json").read_text())["shards"]
    begun = root / "stages" / "begun"
    (tmp_path / "sitecustomize.py").write_text(SLOW_STEPS.format(verb=verb, begun=str(begun)))
    shards = [shard["name"]] if more else []
    process = start(tmp_path, verb, "--config", root / "stages" / "config.json", *more, *shards)
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert len(ours(tmp_path)) == (3 if verb == "score" else 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == CODES[number], err
    name = signal.Signals(number).name
    assert err.splitlines() == [f"focus-audit {verb}: stopped by {name}; run again to go on"]
    assert ours(tmp_path) == [] and not list(root.rglob("*.part"))
