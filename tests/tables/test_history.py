"""The file that many runs write into: whole entries, once each, and no other program's file."""

import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.tables.history import (
    APPLICATION_ID,
    CLASS_COLUMNS,
    MEASURED,
    RUN_COLUMNS,
    add_run,
    check_history,
    read_runs,
)

REPOSITORY = Path(__file__).resolve().parents[2]


def run(key, finished="2026-05-01T10:00:00+00:00", **change):
    return {**dict.fromkeys(RUN_COLUMNS, "x"), "key": key, "finished": finished, **change}


def row(name, **change):
    measured = {**dict.fromkeys(MEASURED), "accuracy": 0.1 + 0.2}
    counts = dict.fromkeys(("place", "n_images", "n_scored", "n_eligible"), 7)
    texts = {
        "class": name,
        "method": "gradcam",
        "layer": "top",
        "verdict": None,
        "confirmation": None,
    }
    return {**texts, **counts, **measured, **change}


WRITER = """
    import sys, time
    sys.path.insert(0, {repository!r})
    from pathlib import Path
    from tests.tables.test_history import add_run, row, run
    def slow_rows():  # so that the two do meet
        for name in "abcdef":
            time.sleep(0.002)
            yield row(name)
    print("ready", flush=True)
    sys.stdin.readline()
    for k in range(20):
        assert add_run(Path({path!r}), run(f"{name}-{{k}}"), slow_rows())
"""


def start(path, name, text=WRITER):
    program = textwrap.dedent(text).format(repository=str(REPOSITORY), path=str(path), name=name)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, text=True, **pipes)


def test_what_went_in_comes_out(tmp_path):
    file = tmp_path / "new folder" / "h.db"
    assert add_run(file, run("1", name="a"), [row("b"), row("=a\n'\"", verdict="pass")])
    first, second = read_runs(file)
    assert (first["name"], first["class"], first["verdict"]) == ("a", "=a\n'\"", "pass")
    assert first["accuracy"] == 0.1 + 0.2 and first["energy_skill"] is None
    assert second["class"] == "b" and set(second) == {*RUN_COLUMNS, *CLASS_COLUMNS}


def test_the_same_run_is_not_entered_twice(tmp_path):
    file = tmp_path / "h.db"
    assert add_run(file, run("1"), [row("a")]) and not add_run(file, run("1"), [row("a"), row("b")])
    assert add_run(file, run("2"), [row("a")])
    assert [r["key"] for r in read_runs(file)] == ["1", "2"]


def test_the_oldest_run_comes_first(tmp_path):
    file = tmp_path / "h.db"
    for day in (3, 1, 2):
        add_run(file, run(str(day), f"2026-05-0{day}T00:00:00+00:00"), [row("a"), row("__all__")])
    assert [(r["key"], r["class"]) for r in read_runs(file)] == [
        (key, name) for key in "123" for name in ("a", "__all__")
    ]


def test_runs_that_end_at_once_all_get_in(tmp_path):
    file = tmp_path / "h.db"
    writers = [start(file, name) for name in ("one", "two")]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, told = writer.communicate(timeout=120)
        assert writer.returncode == 0, told
    rows = read_runs(file)
    assert len({r["key"] for r in rows}) == 40 and len(rows) == 240


def test_a_run_that_is_killed_leaves_no_half_entry(tmp_path):
    file = tmp_path / "h.db"
    add_run(file, run("before"), [row("a")])
    text = """
        import os, signal, sys
        sys.path.insert(0, {repository!r})
        from pathlib import Path
        from tests.tables.test_history import add_run, row, run
        class Rows(list):
            def __iter__(self):
                yield from (row(str(k)) for k in range(30_000))  # more than stays in memory
                os.kill(os.getpid(), signal.SIGKILL)
        add_run(Path({path!r}), run({name!r}), Rows())
    """
    killed = start(file, "half", text)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL and file.with_name("h.db-journal").exists()
    check_history(file)
    assert [r["key"] for r in read_runs(file)] == ["before"]
    assert add_run(file, run("half"), [row("a")]) and len(read_runs(file)) == 2


def test_a_fault_in_the_rows_leaves_nothing(tmp_path):
    file = tmp_path / "h.db"
    with pytest.raises(AuditError, match=r"h\.db: cannot be used as a history: UNIQUE"):
        add_run(file, run("1"), [row("a"), row("a")])
    assert read_runs(file) == [] and add_run(file, run("1"), [row("a")])


def test_another_programs_file_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "h.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE runs (key TEXT)")
    before = file.read_bytes()
    for call in (lambda path: add_run(path, run("1"), []), read_runs, check_history):
        with pytest.raises(AuditError, match="is another program's SQLite file; name a new file"):
            call(file)
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "h.db"
    file.write_text("accuracy went up\n" * 100)
    with pytest.raises(AuditError, match="cannot be used as a history: file is not a database"):
        add_run(file, run("1"), [])
    assert file.read_text().startswith("accuracy")


def test_a_later_versions_file_is_refused(tmp_path):
    file = tmp_path / "h.db"
    add_run(file, run("1"), [])
    with sqlite3.connect(file) as ours:
        assert ours.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        ours.execute("PRAGMA user_version = 2")
    with pytest.raises(AuditError, match="another version; expected history version 1, received 2"):
        add_run(file, run("2"), [])


def test_what_is_not_there_or_cannot_be_written(tmp_path):
    with pytest.raises(AuditError, match="no such history"):
        read_runs(tmp_path / "gone.db")
    check_history(tmp_path / "gone.db")
    assert not (tmp_path / "gone.db").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="cannot be written: File exists"):
        add_run(tmp_path / "file" / "h.db", run("1"), [])
    with pytest.raises(AuditError, match="cannot be used as a history: unable to open"):
        add_run(tmp_path, run("1"), [])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM classes; END",
        "ALTER TABLE classes ADD COLUMN x GENERATED ALWAYS AS (zeroblob(1000000000))",
        "ALTER TABLE runs RENAME TO others",
    ],
)
def test_a_history_with_code_in_it_is_refused(statement, tmp_path):
    path = tmp_path / "h.db"
    add_run(path, run("a"), [])
    with sqlite3.connect(path) as file:
        file.execute(statement)
    for ask in (lambda: read_runs(path), lambda: add_run(path, run("a"), [])):
        with pytest.raises(AuditError, match="is a history that somebody has changed"):
            ask()
