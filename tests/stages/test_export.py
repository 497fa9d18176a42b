"""Exports of a finished run: what MLflow, FiftyOne and a webhook are given."""

import datetime
import json
import os
import re
import sys

import pytest
from pycocotools.coco import COCO

from audit.cli import main
from audit.errors import AuditError
from audit.report.message import MAX_TEXT, message, plain
from audit.stages.export_fiftyone import export_fiftyone, safe_name
from audit.stages.export_mlflow import content, export_mlflow
from audit.stages.export_summary import export_summary
from audit.stages.layout import Layout
from tests.stages.finished import BOX, HEATMAP_BOX, PER_CLASS, write_finished

DAY = datetime.date(2026, 5, 31)
HOSTILE = "=<!channel> @here\n<http://e.org|x>\u202e\x1b[31m"
CLASSES = {"cat": "pass", HOSTILE: "flagged", "a/b": "flagged", "a_b": "pass"}


@pytest.fixture
def results(tmp_path):
    return write_finished(tmp_path / "zoo", CLASSES)


# --- summary


def test_the_message_of_a_run(results):
    told = export_summary(results, DAY)
    assert told["schema_version"] == "1" and told["result"] == "fail" and told["name"] == "zoo"
    assert told["classes"]["pass"] == ["cat", "a_b"] and len(told["classes"]["flagged"]) == 2
    assert len(told["reasons"]) == 2 and "a/b: flagged" in told["reasons"][1]
    assert told["text"].startswith(
        "Focus Audit of zoo on 2026-05-31: FAIL. 4 classes: 2 flagged, 2 p"
    )
    assert told["report"] == str(results.resolve()) and told["compared_with"] is None


def test_nothing_in_the_message_calls_people_or_makes_links(results):
    told = json.dumps(export_summary(results, DAY) | {"report": ""}, ensure_ascii=False)
    assert not re.search(r"[<>@`*|]|://|[^ -~‹›＠∗¦…]", told.replace("\\\\u202e", ""))


@pytest.mark.parametrize("names", [["x" * 900], [f"class {k}" for k in range(1000)], []])
def test_the_text_is_short_whatever_the_classes(names):
    text = message(
        "zoo", "pass", "2026-05-31", {"flagged": names}, [f"{n}: flagged" for n in names]
    )
    assert len(text) <= MAX_TEXT and "\n" not in text and text.startswith("Focus Audit of zoo")


def test_plain_text_is_left_as_it_is():
    assert plain("Änne's cat (5 %), q = .02") == "Änne's cat (5 %), q = .02"
    assert plain("abcdef", 4) == "abc…"


def test_the_earlier_run_is_named(tmp_path):
    old = write_finished(tmp_path / "old", {"cat": "pass"})
    gate = {"baseline": str(old)}
    assert export_summary(write_finished(tmp_path / "new", {"cat": "pass"}, gate), DAY)[
        "compared_with"
    ] == str(old)


# --- FiftyOne


def test_a_coco_reader_finds_the_boxes_of_the_run(results, tmp_path, capsys):
    counts = export_fiftyone(results, tmp_path / "out")
    assert counts == {"images": 12, "boxes": 12, "heatmap boxes": 12}
    coco = COCO(str(tmp_path / "out" / "labels.json"))
    found = coco.loadRes(str(tmp_path / "out" / "predictions.json"))
    capsys.readouterr()
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert list(names.values()) == list(CLASSES)
    for reader, box in ((coco, BOX), (found, HEATMAP_BOX)):
        annotations = reader.loadAnns(reader.getAnnIds())
        assert [a["bbox"] for a in annotations] == [box] * 12
        assert {names[a["category_id"]]: a["verdict"] for a in annotations} == CLASSES
    assert [a["score"] for a in found.loadAnns(found.getAnnIds())][:3] == [0.5, 0.6, 0.7]


def test_boxes_and_images_carry_what_the_audit_says(results, tmp_path):
    export_fiftyone(results, tmp_path / "out")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))
    told = [(a["background_focused"], a["energy_skill"]) for a in labels["annotations"]]
    assert told[:3] == [(True, 0.0), (False, 0.25), (False, 0.5)]
    assert told[-PER_CLASS:] == [(None, None)] * PER_CLASS  # not observed is no 0
    first, last = labels["images"][0], labels["images"][-1]
    assert first["attributes"]["background_focused"] is True
    assert first["attributes"]["records"]["cat"]["energy_skill"] == 0.0
    assert last["attributes"]["background_focused"] is None


@pytest.mark.parametrize("how", ["copy", "link"])
def test_images_beside_the_labels(how, results, tmp_path):
    export_fiftyone(results, tmp_path / "out", how)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))
    for image in labels["images"]:
        path = tmp_path / "out" / "data" / image["file_name"]
        assert path.is_symlink() == (how == "link")
        assert path.read_bytes() == (tmp_path / "pictures" / image["source"]).read_bytes()


def test_an_image_that_was_changed_is_refused(results, tmp_path):
    (tmp_path / "pictures" / "c0" / "p1.png").write_bytes(b"other")
    with pytest.raises(
        AuditError, match="p1.png: is not the image that was audited.*--images none"
    ):
        export_fiftyone(results, tmp_path / "out", "copy")
    Layout(results).index("0-abc").unlink()
    with pytest.raises(AuditError, match="is missing: it says where the images lie"):
        export_fiftyone(results, tmp_path / "out2", "link")
    export_fiftyone(results, tmp_path / "out3", "none")


@pytest.mark.parametrize("name", ["heatmap_boxes.json", "predictions.parquet", "per_class.csv"])
def test_tables_that_were_changed_are_refused(name, results, tmp_path):
    (results / name).write_bytes((results / name).read_bytes() + b" ")
    with pytest.raises(AuditError, match=f"{name}: was changed after the run"):
        export_fiftyone(results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(results, tmp_path):
    with pytest.raises(AuditError, match="not an empty folder"):
        export_fiftyone(results, results)


def test_no_image_lands_outside_the_folder():
    assert safe_name(7, "a/b c.jpg") == "a/b c.jpg" and safe_name(7, "日本.png") == "日本.png"
    for name in ("../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "a\\..\\x.jpg", "a\nb.jpg", "./x.jpg"):
        assert safe_name(7, name) == "000000007.jpg"
    assert safe_name(7, "..") == safe_name(7, "") == "000000007"


# --- MLflow


def test_names_are_such_as_mlflow_takes_and_differ(results):
    names = set(content(results).metrics)
    assert all(re.fullmatch(r"[/\w.\- ]{1,250}", n) and os.path.normpath(n) == n for n in names)
    assert len({n.split("/")[1] for n in names if n.startswith("class/")}) == len(CLASSES)
    assert {"accuracy", "class/cat/accuracy", "class/a_b/accuracy"} <= names


@pytest.mark.parametrize("name", ["..", ".", "", "/", "a//b", "x" * 300, "日本", " a ", "a:b", "-"])
def test_no_class_name_leads_out_of_its_place(name, tmp_path):
    names = content(write_finished(tmp_path / "zoo", {name: "pass", "cat": "pass"})).metrics
    for metric in names:
        assert re.fullmatch(r"[/\w.\- ]{1,250}", metric) and os.path.normpath(metric) == metric
        assert metric.count("/") in (0, 2) and all(part.strip() for part in metric.split("/"))


def test_what_was_not_observed_is_left_out(results):
    metrics = content(results).metrics
    assert metrics["class/cat/energy_skill"] == 0.75 and metrics["class/cat/n_eligible"] == 40
    assert "class/a_b/energy_skill" not in metrics and "class/a_b/accuracy" in metrics


def test_tags_params_and_files(results):
    sent = content(results)
    assert sent.tags["verdict"] == "fail" and sent.tags["git_commit"] == "c0ffee"
    assert sent.tags["model_sha256"] == "a" * 64 and sent.tags["reasons"].isprintable()
    assert sent.params["method"] == "gradcam" and sent.params["flags.max_rate"] == "0.3"
    assert {"per_class.csv", "verdict.json", "provenance.json"} <= {p.name for p in sent.files}
    assert sent.end - sent.start == 300_000


def test_without_mlflow_one_line_says_how_to_get_it(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(AuditError, match=r'mlflow is not installed; pip install "focus-audit\[mlf'):
        export_mlflow(results, "http://127.0.0.1:1", "e")


# --- the command


def test_the_command_writes_the_message(results, tmp_path, capsys):
    assert main(["export", str(results), "--to", "summary"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert main(["export", str(results), "--to", "summary", "--out", str(tmp_path / "m.json")]) == 0
    assert json.loads((tmp_path / "m.json").read_text("utf-8")) == printed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--to", "mlflow"], "--tracking-uri is missing"), (["--to", "fiftyone"], "--out is missing"),
        (["--to", "summary", "--images", "copy"], "--images is no option of --to summary"),
        (["--to", "fiftyone", "--out", "x", "--experiment", "e"], "--experiment is no option"),
    ],
)  # fmt: skip
def test_options_of_other_targets_are_refused(options, told, results, capsys):
    assert main(["export", str(results), *options]) == 2
    assert told in capsys.readouterr().err
