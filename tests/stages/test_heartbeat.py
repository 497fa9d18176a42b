"""The heartbeat tells a run that is alive from work that moves."""

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime

import pytest

from audit.stages import heartbeat as module
from audit.stages.heartbeat import Heartbeat


@pytest.fixture
def clocks(monkeypatch):
    """Seconds of both clocks, to be set."""
    now = {"monotonic": 50.0, "wall": 1_800_000_000.0}
    monkeypatch.setattr(time, "monotonic", lambda: now["monotonic"])

    class Wall(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(now["wall"], tz)

    monkeypatch.setattr(module, "datetime", Wall)
    return now


def after(clocks, seconds):
    clocks["monotonic"] += seconds
    clocks["wall"] += seconds


def read(path):
    return json.loads(path.read_text())


def seconds(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def test_a_beat_while_work_moves_and_while_it_hangs(clocks, tmp_path):
    path = tmp_path / "heartbeat.json"
    heart = Heartbeat(path)
    heart.beat(1, stage="explain", done=3, total=9, what="images explained")
    first = read(path)
    assert first["state"] == "running" and first["exit_code"] is None
    assert (first["stage"], first["done"], first["total"]) == ("explain", 3, 9)
    after(clocks, 4)
    heart.beat(2, stage="explain", done=4)
    assert read(path) == first, "a beat every few seconds"
    after(clocks, 2)
    heart.beat(2, stage="explain", done=4)
    after(clocks, 600)
    heart.beat(2, stage="explain", done=4)
    last = read(path)
    begun = seconds(last["started"])
    assert seconds(last["updated"]) - begun == 606 and seconds(last["progressed"]) - begun == 4


def test_the_end_says_how(clocks, tmp_path):
    path = tmp_path / "heartbeat.json"
    Heartbeat(path).end("stopped", 143, stage="score")
    found = read(path)
    assert (found["state"], found["exit_code"], found["stage"]) == ("stopped", 143, "score")
    assert found["done"] is None and found["pid"] > 0 and found["host"]


def test_a_wall_clock_that_goes_back_stops_no_beat(clocks, tmp_path):
    path = tmp_path / "heartbeat.json"
    heart = Heartbeat(path)
    heart.beat(1)
    clocks["wall"] -= 86_400
    clocks["monotonic"] += 10
    heart.beat(2)
    found = read(path)
    assert found["updated"] == found["progressed"] < found["started"]


def test_no_place_for_it_stops_no_run(tmp_path):
    (tmp_path / "stages").write_text("in the way")
    Heartbeat(tmp_path / "stages" / "heartbeat.json").beat(1)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the check needs jq")
@pytest.mark.parametrize(
    ("beaten", "moved", "well"), [(10, 10, True), (10, 4000, False), (300, 300, False)]
)
def test_the_documented_check(beaten, moved, well, tmp_path):
    path, now = tmp_path / "reports/NAME/stages/heartbeat.json", time.time()
    Heartbeat(path).beat(1)
    stamps = {"updated": now - beaten, "progressed": now - moved}
    values = {
        k: datetime.fromtimestamp(v, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for k, v in stamps.items()
    }
    path.write_text(json.dumps({**read(path), **values}))
    check = "jq -e" + module.__doc__.split("jq -e")[1].split("heartbeat.json")[0] + "heartbeat.json"
    done = subprocess.run(check, shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode == 0) == well, done.stderr
