"""From finished runs into a history, and the trends out of it."""

import json
from xml.etree import ElementTree

import pytest

from audit.cli import main
from audit.errors import AuditError
from audit.progress import Progress
from audit.stages.gate import run_verdict
from audit.stages.history import entry, lines, run_record, series, trend_rows
from audit.stages.layout import Layout
from audit.stages.settings import load_settings
from audit.tables.csv import read_texts
from tests.stages.finished_runs import HOSTILE, class_row, config, record, seal, write_run

QUIET = Progress("record", quiet=True)


def finished(root, day, rows=None, name="zoo", **provenance):
    """A run that ended on a day of May, with its verdict."""
    rows = rows or [class_row("cat"), class_row("dog"), class_row("__all__", verdict=None)]
    records = [record("a.png", "cat", method=m, layer=x) for m, x in dict.fromkeys(
        (r["method"], r["layer"]) for r in rows
    )]  # fmt: skip
    when = f"2026-05-{day:02d}T10:00:00+00:00"
    write_run(root, records, name=name, rows=rows, finished=when, **provenance)
    run_verdict(config(), Layout(root), QUIET)
    return root


def put(file, root):
    run_record(config(history={"file": str(file)}), Layout(root), QUIET)


@pytest.fixture
def history(tmp_path):
    """Three runs: the dog is flagged in the second, and not judged in the third."""
    file = tmp_path / "h.db"
    verdicts = [("pass", 0.1), ("flagged", 0.6), ("insufficient", None)]
    for day, (verdict, rate) in enumerate(verdicts, 1):
        figures = {"background_focused_rate": rate, "pointing_accuracy": 0.1 * day}
        rows = [class_row("cat"), class_row("dog", verdict=verdict, **figures)]
        rows.append(class_row("__all__", verdict=None))
        put(file, finished(tmp_path / f"run{day}", day, rows, model=f"m{day}"))
    return file


def test_an_entry_has_what_tells_runs_apart(tmp_path):
    first = finished(tmp_path / "a", 1, model="m")
    run, rows = entry(first)
    assert (run["name"], run["finished"][:10], run["model_digest"]) == ("zoo", "2026-05-01", "m")
    assert (run["package_version"], run["git_commit"], run["result"]) == ("0.1.0", "c" * 40, "pass")
    assert [r["class"] for r in rows] == ["cat", "dog", "__all__"]
    assert rows[0]["pointing_accuracy"] == 0.5 and rows[0]["accuracy_low"] is None
    # Made again later: the same run. Other figures: another.
    assert entry(finished(tmp_path / "b", 2, model="m"))[0]["key"] == run["key"]
    other = finished(tmp_path / "c", 1, [class_row("cat", accuracy=0.4), class_row("__all__")])
    assert entry(other)[0]["key"] != run["key"]
    other = finished(tmp_path / "d", 1, images="9")
    assert entry(other)[0]["data_digest"] != run["data_digest"]


def test_what_changes_each_time_does_not_tell_runs_apart(tmp_path):
    root = finished(tmp_path / "a", 1)
    values = json.loads((root / "provenance.json").read_text())
    before = entry(root)[0]["key"]
    values["hashes"]["tables"]["methods.csv"] = "seconds"
    (root / "provenance.json").write_text(json.dumps(values))
    assert entry(root)[0]["key"] == before


def test_a_run_is_recorded_once_and_says_where(history, tmp_path):
    put(history, tmp_path / "run2")
    receipt = json.loads((tmp_path / "run2/stages/history.json").read_text())
    assert receipt["file"] == str(history) and receipt["name"] == "zoo"
    assert [len(s.rows) for s in series(history)] == [3, 3, 3]


def test_a_run_that_is_not_finished_or_was_changed_is_not_recorded(tmp_path):
    root = finished(tmp_path / "a", 1)
    (root / "per_class.csv").write_text("class\n")
    with pytest.raises(AuditError, match="per_class.csv: was changed after the run"):
        put(tmp_path / "h.db", root)
    assert not (tmp_path / "h.db").exists() and not (root / "stages").exists()
    with pytest.raises(AuditError, match="history.file: is not set"):
        run_record(config(), Layout(root), QUIET)


def test_trends_by_class_with_a_mark_where_the_verdict_changed(history):
    every, cat, dog = series(history)
    assert [s.class_name for s in (every, cat, dog)] == ["__all__", "cat", "dog"]
    assert dog.verdicts() == ["pass", "flagged", "insufficient"]
    assert dog.changes() == ["", "pass -> flagged", "flagged -> insufficient"]
    assert cat.changes() == ["", "", ""] and every.verdicts() == ["pass", "fail", "pass"]
    told = lines([dog])
    assert told[0] == "zoo: dog, gradcam" and len(told) == 5
    assert told[3].split()[:6] == ["2026-05-02", "10:00", "m2", "0.20", "0.60", "0.50"]
    assert told[3].endswith("flagged       ! pass -> flagged")
    # Not observed is a dash, never 0.
    assert told[4].split()[3:5] == ["0.30", "-"]


def test_limits_and_filters(history, tmp_path):
    put(history, finished(tmp_path / "other", 4, name="other"))
    assert {s.name for s in series(history)} == {"zoo", "other"}
    (trend,) = series(history, name="zoo", class_name="dog", last=2)
    assert [row["finished"][8:10] for row in trend.rows] == ["02", "03"]
    for asked, what in (
        ({"name": "zo"}, "has no audit 'zo'; did you mean 'zoo'"),
        ({"class_name": "dgo"}, "has no class 'dgo'; did you mean 'dog'"),
        ({"method": "rise"}, "has no method 'rise'"),
    ):
        with pytest.raises(AuditError, match=what):
            series(history, **asked)


def test_of_several_methods_and_layers_the_first_is_shown_unless_another_is_asked_for(tmp_path):
    pairs = [("gradcam", "b"), ("gradcam", "a"), ("rise", "input")]
    rows = [class_row(c, m, x, accuracy=0.1 * k) for k, (m, x) in enumerate(pairs, 1)
            for c in ("cat", "__all__")]  # fmt: skip
    file = tmp_path / "h.db"
    put(file, finished(tmp_path / "a", 1, rows))
    assert [r["layer"] for s in series(file) for r in s.rows] == ["b", "b"]
    asked = series(file, method="rise", class_name="cat")
    assert [r["accuracy"] for s in asked for r in s.rows] == [pytest.approx(0.3)]


def test_the_command_prints_and_writes(history, tmp_path, capsys):
    table, drawing = tmp_path / "out/t.csv", tmp_path / "out/t.svg"
    options = ["--class", "dog", "--csv", str(table), "--svg", str(drawing)]
    assert main(["history", str(history), *options]) == 0
    assert "! pass -> flagged" in capsys.readouterr().out
    written = read_texts(table)
    assert written["verdict_change"].tolist() == ["", "pass -> flagged", "flagged -> insufficient"]
    assert written["background_focused_rate"].tolist() == ["0.1", "0.6", ""]
    ElementTree.fromstring(drawing.read_text("utf-8"))
    assert main(["history", str(tmp_path / "gone.db")]) == 2
    assert "no such history" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["history", str(history), "--last", "0"])


def test_hostile_names_are_text(tmp_path, capsys):
    file = tmp_path / "h.db"
    put(file, finished(tmp_path / "a", 1, [class_row(HOSTILE), class_row("__all__")]))
    drawing = tmp_path / "t.svg"
    assert (
        main(["history", str(file), "--csv", str(tmp_path / "t.csv"), "--svg", str(drawing)]) == 0
    )
    assert read_texts(tmp_path / "t.csv")["class"].tolist() == ["__all__", HOSTILE]
    assert "\u202e" not in capsys.readouterr().out
    text = drawing.read_text("utf-8")
    assert "<script" not in text and "\u202e" not in text
    ElementTree.fromstring(text)
    (row,) = [r for r in trend_rows(series(file)) if r["class"] == HOSTILE]
    assert row["verdict"] == "pass"


def test_the_stage_reads_the_config_of_the_results_folder(tmp_path, capsys):
    root = finished(tmp_path / "a", 1)
    file = tmp_path / "h.db"
    values = config(history={"file": str(file)}).model_dump_json()
    (root / "stages").mkdir()
    (root / "stages/config.json").write_text(values)
    seal(root, finished="2026-05-01T10:00:00+00:00")
    assert main(["record", "--config", str(root / "stages/config.json")]) == 0
    assert "added to the history" in capsys.readouterr().err
    assert len(series(file)) == 3


def test_a_history_that_cannot_take_the_run_is_told_before_the_run(tmp_path):
    for name in ("m.keras", "a.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "i").mkdir()
    values = json.loads(config(history={"file": "kept/h.db"}).model_dump_json())
    (tmp_path / "audit.yaml").write_text(json.dumps(values))
    loaded = load_settings([tmp_path / "audit.yaml"])
    assert loaded.history.file == str(tmp_path / "kept/h.db")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/h.db").write_text("notes\n" * 100)
    with pytest.raises(AuditError, match=r"kept/h\.db: cannot be used as a history"):
        load_settings([tmp_path / "audit.yaml"])
