"""Progress: plain lines in a log, one renewed line on a terminal."""

import io

import pytest

from audit import progress as module
from audit.progress import Progress


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


def count(progress, clock, steps=25):
    progress.start(steps, "images explained")
    for _ in range(steps):
        clock.now += 1
        progress.step()
    progress.finish()


def test_plain_lines_come_every_ten_seconds(clock, capsys):
    log = io.StringIO()
    count(Progress("explain", log), clock)
    lines = capsys.readouterr().err.splitlines()
    assert lines == log.getvalue().splitlines()
    assert lines == [
        "focus-audit explain: 10/25 images explained, 1.0/s, 15 s left",
        "focus-audit explain: 20/25 images explained, 1.0/s, 5 s left",
        "focus-audit explain: 25/25 images explained, 1.0/s",
    ]


def test_a_terminal_renews_its_line(clock, capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    log = io.StringIO()
    count(Progress("explain", log), clock, steps=3)
    shown = capsys.readouterr().err
    assert shown.count("\r") == 4 and shown.count("\n") == 1 and shown.endswith("\n")
    assert "\r" not in log.getvalue() and "\x1b" not in log.getvalue()


def test_quiet_writes_to_the_log_alone(clock, capsys):
    log = io.StringIO()
    progress = Progress("explain", log, quiet=True)
    count(progress, clock, steps=1)
    progress.say("done")
    assert capsys.readouterr().err == ""
    assert log.getvalue().endswith("focus-audit explain: done\n")


def test_nothing_to_do_and_no_time_passed(clock, capsys):
    count(Progress("explain"), clock, steps=0)
    assert capsys.readouterr().err == "focus-audit explain: 0/0 images explained, 0.0/s\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (7260, "2 h 1 min")],
)
def test_durations(seconds, text):
    assert module.duration(seconds) == text
