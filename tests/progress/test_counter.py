"""Progress of a stage: plain lines in a log, one renewed line on a terminal, JSON on request."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from audit.progress import Progress
from audit.progress.events import LOG_FORMAT, MAX_TEXT, Event, read_event

HOSTILE = "cat\x1b]0;mine\x07\n\u202efocus-audit: error: \udcff"


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


def test_lines_grow_rare_in_long_work(clock, capsys):
    count(Progress("explain"), clock, steps=24 * 3600)
    lines = capsys.readouterr().err.splitlines()
    assert 150 < len(lines) < 400


def test_a_terminal_renews_its_line_and_the_log_stays_short(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    log = io.StringIO()
    count(Progress("explain", log), clock, steps=12)
    shown = capsys.readouterr().err
    assert shown.count("\r") == 13 and shown.count("\n") == 1 and shown.endswith("\n")
    assert len(log.getvalue().splitlines()) == 2 and "\x1b" not in log.getvalue()


def test_a_line_longer_than_the_terminal_is_cut(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    progress = Progress("explain")
    progress.start(9, "images of a very long description, explained")
    clock.now += 1
    progress.step()
    shown = capsys.readouterr().err.removeprefix("\r").removesuffix("\x1b[K")
    assert len(shown) == 39


def test_quiet_writes_to_the_log_alone(clock, capsys):
    log = io.StringIO()
    progress = Progress("explain", log, quiet=True)
    count(progress, clock, steps=1)
    progress.say("done")
    progress.begin()
    progress.close()
    assert capsys.readouterr().err == ""
    assert log.getvalue().endswith("focus-audit explain: done\n")


def test_nothing_to_do_and_nothing_known(clock, capsys):
    progress = Progress("explain")
    count(progress, clock, steps=0)
    progress.start(5, "images")
    clock.now += 30
    progress.step(0.5)
    assert capsys.readouterr().err.splitlines() == [
        "focus-audit explain: 0/0 images explained",
        "focus-audit explain: 0/5 images",
    ]


def test_text_says_nothing_of_beginning_and_end_unless_there_is_a_reason(capsys):
    progress = Progress("score")
    progress.begin()
    progress.end(0)
    progress.end(143, "stopped by SIGTERM")
    assert capsys.readouterr().err == "focus-audit score: stopped by SIGTERM\n"


def test_json_is_one_object_a_line_with_its_numbers(clock, capsys, monkeypatch):
    monkeypatch.setenv(LOG_FORMAT, "json")
    log = io.StringIO()
    progress = Progress("explain", log, shard="0-ab")
    progress.begin()
    count(progress, clock, steps=11)
    progress.say(HOSTILE)
    progress.end(0)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [v["event"] for v in lines] == ["started", "progress", "progress", "message", "finished"]
    assert all(v["stage"] == "explain" and v["shard"] == "0-ab" for v in lines)
    for values in lines:
        when = datetime.fromisoformat(values["time"])
        assert abs(datetime.now(UTC) - when) < timedelta(minutes=1) and values["level"] == "info"
    first = lines[1]
    assert first["what"] == "images explained" and (first["done"], first["total"]) == (10, 11)
    assert first["rate_per_s"] == 1 and first["left_s"] == 1
    assert lines[2]["left_s"] is None and lines[4]["exit_code"] == 0
    assert lines[3]["text"].isprintable() and "json" not in log.getvalue()
    assert len(log.getvalue().splitlines()) == 3, "the log is text, and of people's lines"


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_name_reaches_no_terminal_as_it_is(kind, capsys, monkeypatch):
    monkeypatch.setenv(LOG_FORMAT, kind)
    Progress("sanity").say(HOSTILE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable() and r"\x1b]0;mine\x07\n\u202e" in line.replace("\\\\", "\\")


def test_an_event_is_read_back_and_is_short_enough_to_arrive_whole():
    line = Event("index", "progress", "\U0001f600" * 5000, "1-f", {"done": 3}).as_json()
    again = read_event(line)
    found = (again.stage, again.event, again.shard, again.numbers)
    assert found == ("index", "progress", "1-f", {"done": 3})
    assert len(again.text) == MAX_TEXT and len(line.encode()) < 4096


@pytest.mark.parametrize(
    "line", ["", "Select jobs", '{"time": ', '{"time": 3}', '{"time": "x", "stage": "y"}', "{}"]
)
def test_other_lines_are_no_events(line):
    assert read_event(line) is None


def test_the_file_tells_how_far_it_is_and_goes_away(clock, tmp_path):
    file = tmp_path / "progress" / "explain-0-ab.json"
    progress = Progress("explain", quiet=True, shard="0-ab", file=file)
    assert not file.exists()
    progress.start(10, "images explained")
    told = {"stage": "explain", "shard": "0-ab", "total": 10, "what": "images explained"}
    assert json.loads(file.read_text()) == {**told, "done": 0}
    progress.step()
    assert json.loads(file.read_text())["done"] == 0, "not at every step"
    clock.now += 2
    progress.step(2.5)
    assert json.loads(file.read_text()) == {**told, "done": 3}
    progress.close()
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_stops_no_work(tmp_path):
    (tmp_path / "progress").write_text("in the way")
    progress = Progress("explain", quiet=True, file=tmp_path / "progress" / "x.json")
    progress.start(1, "images")
    progress.step()
    progress.finish()
    progress.close()


def test_a_terminal_that_is_gone_stops_no_work(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    Progress("explain").say("anyone there?")
