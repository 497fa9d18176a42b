"""What a run tells while it is under way: to people, to machines, to a scheduler."""

import io
import json
import sys
import time

import pytest

from audit.progress import Event, Screen
from audit.progress.events import LOG_FORMAT
from audit.stages.layout import Layout
from audit.stages.signals import Stopped
from audit.stages.watch import Watch, WholeLine
from audit.stages.whole_run import Standing


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    layout.stages.mkdir()
    return layout


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def standing(explained, scored=0, running=True, known=True):
    stage = {
        "stage": "explain",
        "shard": "0-a",
        "done": 1,
        "total": 100,
        "what": "images explained",
    }
    return Standing(400, explained, 4, explained // 100, scored, known, (stage,) if running else ())


def told(capsys):
    return capsys.readouterr().err.splitlines()


def json_line(event, text="text", stage="sanity", **numbers):
    return Event(stage, event, text, None, numbers).as_json()


def test_messages_are_told_once_and_the_progress_of_shards_is_not(layout, capsys):
    watch = Watch(layout)
    for line in (
        "Building DAG of jobs...",
        json_line("started"),
        json_line("message", "32 images"),
        json_line("progress", "3/9 images explained", "explain", done=3, total=9),
        json_line("progress", "3/9 steps", done=3, total=9),
        json_line("finished", "is done", exit_code=0),
        "focus-audit sanity: 32 images",  # the log of a failed job
        "focus-audit: error: boxes.json: broken",
        json_line("error", "boxes.json: broken"),
    ):
        watch.line(line)
    assert told(capsys) == [
        "focus-audit sanity: 32 images",
        "focus-audit sanity: 3/9 steps",
        "focus-audit: error: boxes.json: broken",
    ]
    assert watch.error_told


def test_a_fault_of_the_program_is_left_to_the_end_of_the_run(layout, capsys, monkeypatch):
    fault = json_line("error", "RuntimeError: full moon", traceback="Traceback ...")
    watch = Watch(layout)
    assert watch.line(fault) == "RuntimeError: full moon"
    assert told(capsys) == [] and not watch.error_told
    monkeypatch.setenv(LOG_FORMAT, "json")
    watch = Watch(layout)
    watch.line(fault)
    assert json.loads(told(capsys)[-1])["traceback"] == "Traceback ..." and not watch.error_told


def test_the_log_keeps_text(layout):
    watch = Watch(layout)
    assert watch.line("Building DAG of jobs...") == "Building DAG of jobs..."
    assert watch.line(json_line("message", "32 images")) == "focus-audit sanity: 32 images"


def test_machines_are_told_everything(layout, capsys, monkeypatch):
    monkeypatch.setenv(LOG_FORMAT, "json")
    watch = Watch(layout)
    watch.line(json_line("progress", "3/9 images explained", "explain", done=3, total=9))
    watch.line("focus-audit: error: a text\x1b[2J")
    watch.ended(2)
    lines = [json.loads(line) for line in told(capsys)]
    assert [v["event"] for v in lines] == ["started", "progress", "error", "finished"]
    assert lines[1]["stage"] == "explain" and lines[1]["done"] == 3
    assert lines[2]["text"] == r"a text\x1b[2J" and lines[3]["exit_code"] == 2


def test_what_comes_back_from_a_log_is_escaped(layout, capsys):
    Watch(layout).line("focus-audit sanity: \x1b]0;mine\x07 is left out")
    assert told(capsys) == [r"focus-audit sanity: \x1b]0;mine\x07 is left out"]


def test_the_end_on_a_signal_is_one_line(layout, capsys):
    watch = Watch(layout)
    watch._files.look = lambda steps: standing(250)
    watch.stopping()
    watch._files.look = lambda steps: standing(200)
    watch.quiet()
    watch.line(json_line("finished", "stopped by SIGINT", exit_code=130))
    watch.line("focus-audit sanity: stopped by SIGINT")
    watch.stopped(Stopped(15))
    watch.ended(143)
    assert told(capsys) == [
        "focus-audit run: stopped by SIGTERM; run again to go on: 2 of 4 shards are explained and "
        "kept, 50 images of what was under way are to be explained again"
    ]
    heart = json.loads(layout.heartbeat.read_text())
    assert (heart["state"], heart["exit_code"]) == ("stopped", 143)


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (1, "finished"), (2, "failed")])
def test_the_last_beat_says_how_it_ended(code, state, layout):
    Watch(layout).ended(code)
    assert json.loads(layout.heartbeat.read_text())["state"] == state


def test_a_look_comes_every_other_second(layout, clock):
    watch = Watch(layout)
    looks = []
    watch._look = lambda: looks.append(clock[0])
    for _ in range(50):
        clock[0] += 0.2
        watch.tick()
    assert len(looks) == 5


def test_the_whole_line(clock, capsys):
    line = WholeLine(Screen())
    line.show(standing(100), at_shards=False)  # of an earlier run: nothing is under way yet
    for explained in (100, 110, 120, 130):
        line.show(standing(explained, scored=1), at_shards=True)
        clock[0] += 5
    line.show(standing(400, 4), at_shards=True)
    line.show(standing(400, 4, running=False), at_shards=False)
    line.show(standing(400, 4, running=False), at_shards=False)
    assert told(capsys) == [
        "focus-audit run: 120/400 images explained, 1 of 4 shards scored, 2.0/s, 2 min 20 s left",
        "focus-audit run: 400/400 images explained, 4 of 4 shards scored, 15.0/s",
        "focus-audit run: 400/400 images explained and scored, 15.0/s",
    ]


def test_nothing_is_told_before_it_is_known(clock, capsys):
    line = WholeLine(Screen())
    for _ in range(20):
        line.show(standing(300, known=False), at_shards=True)
        clock[0] += 5
    assert told(capsys) == [] and not line.open
    for _ in range(4):
        line.show(standing(0), at_shards=True)
        clock[0] += 11
    assert told(capsys) == ["focus-audit run: 0/400 images explained, 0 of 4 shards scored"]


def test_a_terminal_has_one_line_that_renews_itself(layout, clock, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    watch = Watch(layout)
    watch._files.look = lambda steps: standing(120)
    watch.tick()
    clock[0] += 3
    watch.tick()
    watch.line(json_line("message", "32 images"))
    watch.quiet()
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") == 5 and screen.getvalue().endswith("\r\x1b[K")
