"""The gate on a results folder: verdict.json, tables that changed, other versions, baselines."""

import csv
import datetime
import json
import shutil

import pytest

from audit.config.gate import GateSection
from audit.config.model import Config
from audit.digest import digest_file
from audit.errors import AuditError
from audit.gate.figures import REQUIRED
from audit.progress import Progress
from audit.stages.gate import TABLES, gate, judge, run_verdict, today, told, write_junit
from audit.stages.layout import Layout

DAY = datetime.date(2026, 5, 31)
HOSTILE = 'a,"b"\r\n<c>\x1b[31m NA'
FIGURES = {"n_images": 40, "n_scored": 40, "n_unscored": 0, "n_eligible": 40, "accuracy": 0.9}


def config(**gate_values):
    return Config.model_validate(
        {
            "audit": {"name": "zoo"},
            "model": {"path": "m.keras", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "a.json", "images": "i"},
            "gate": gate_values,
        }
    )


def write_results(root, verdicts, methods=(("gradcam", "top"),), accuracy=0.9, images="1"):
    """A finished run: class -> verdict, the same for each method."""
    root.mkdir(parents=True)
    with (root / "per_class.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, REQUIRED, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        table.writeheader()
        for method, layer in methods:
            for name, verdict in {**verdicts, "__all__": ""}.items():
                row = {"class": name, "method": method, "layer": layer, "verdict": verdict}
                table.writerow({**FIGURES, **row, "accuracy": accuracy})
    summary = {
        "schema_version": "1", "name": "zoo", "warnings": ["accuracy is only 0.100"],
        "counts": {"images_in": 50, "images_excluded": 10},
        "methods": [{"method": m, "layer": x} for m, x in methods],
    }  # fmt: skip
    (root / "summary.json").write_text(json.dumps(summary))
    seal(root, images)
    return root


def seal(root, images="1"):
    """The provenance that belongs to the tables."""
    hashes = {"images": images, "annotations": {"a.json": "2"}, "model": {"m.keras": "3"}}
    hashes["tables"] = {name: digest_file(root / name) for name in TABLES}
    values = {
        "schema_version": "1", "focus_audit": "0.1.0", "finished": "2026-05-01T10:01:00+00:00",
        "config": config().model_dump(mode="json"), "hashes": hashes,
    }  # fmt: skip
    (root / "provenance.json").write_text(json.dumps(values))


def write_verdict(root, **gate_values):
    run_verdict(config(**gate_values), Layout(root), Progress("verdict", quiet=True))
    return json.loads((root / "verdict.json").read_text("utf-8"))


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "zoo", {"cat": "pass", HOSTILE: "flagged"})


def test_the_verdict_of_a_run(results):
    values = write_verdict(results)
    assert values["schema_version"] == "1" and values["result"] == "fail"
    assert values["date"] == today().isoformat()
    assert (values["name"], values["method"], values["layer"]) == ("zoo", "gradcam", "top")
    assert values["tables"] == {name: digest_file(results / name) for name in TABLES}
    assert values["warnings"] == ["accuracy is only 0.100"]
    (reason,) = values["reasons"]
    assert reason.startswith(HOSTILE + ": flagged by the heatmaps")
    assert [c["class_name"] for c in values["checks"] if c["scope"] == "class"] == ["cat", HOSTILE]


def test_the_same_day_gives_the_same_bytes(results):
    write_verdict(results)
    first = (results / "verdict.json").read_bytes()
    write_verdict(results)
    assert (results / "verdict.json").read_bytes() == first


def test_what_the_terminal_is_told_is_a_line_each(results):
    write_verdict(results)
    lines = told(gate(results, DAY))
    assert lines[0] == "Gate FAIL: 1 of 4 checks fail"
    assert lines[1].startswith(r"""  a,"b"\r\n<c>\x1b[31m NA: flagged by the heatmaps""")
    assert lines[2] == "  note: accuracy is only 0.100" and len(lines) == 3


def test_many_reasons_are_cut_off_with_their_number(tmp_path):
    root = write_results(tmp_path / "zoo", {f"c{k:02d}": "flagged" for k in range(30)})
    lines = told(judge(root, GateSection(), DAY))
    assert len(lines) == 12 and lines[-1] == "  and 21 more in verdict.json"


def test_a_waiver_counts_until_its_day_when_the_gate_is_asked(results):
    waiver = {"limit": "flagged", "class_name": HOSTILE, "owner": "A", "reason": "b"}
    write_verdict(results, waivers=[{**waiver, "expires": "2026-05-31"}])
    assert gate(results, DAY).passes
    assert not gate(results, DAY + datetime.timedelta(1)).passes


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_was_changed_is_refused(name, results):
    write_verdict(results)
    (results / name).write_bytes((results / name).read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(AuditError, match=f"{name}: was changed after the verdict; run"):
        gate(results, DAY)
    with pytest.raises(AuditError, match=f"{name}: was changed after the run; run"):
        judge(results, GateSection(), DAY)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("per_class.csv", gate), ("verdict.json", gate), ("summary.json", gate),
        ("provenance.json", lambda root, day: judge(root, GateSection(), day)),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_is_named(name, call, results):
    write_verdict(results)
    (results / name).unlink()
    with pytest.raises(AuditError, match=f"{name}: is missing; run"):
        call(results, DAY)


@pytest.mark.parametrize("name", ["verdict.json", "summary.json", "provenance.json"])
def test_another_versions_file_is_refused(name, results):
    write_verdict(results)
    values = json.loads((results / name).read_text())
    (results / name).write_text(json.dumps({**values, "schema_version": "0"}))
    with pytest.raises(AuditError, match=f"{name}: was written by another version; expected.*'0'"):
        _ = gate(results, DAY) if name == "verdict.json" else judge(results, GateSection(), DAY)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("{", "is damaged"), ("[]", "no JSON object"), ('{"schema_version": "1"}', "no verdict"),
        ('{"schema_version": "1", "name": 1, "policy": {"x": 1}, "checks": [{}]}', "no verdict"),
    ],
)  # fmt: skip
def test_a_verdict_that_is_none(text, pattern, results):
    (results / "verdict.json").write_text(text)
    with pytest.raises(AuditError, match=pattern):
        gate(results, DAY)


@pytest.mark.parametrize(
    ("text", "pattern"), [("class,method\ncat,a\n", "no column 'layer'"), ("", "has no row")]
)
def test_an_older_or_empty_table_is_told(text, pattern, results):
    (results / "per_class.csv").write_text(text)
    seal(results)
    with pytest.raises(AuditError, match=pattern):
        judge(results, GateSection(), DAY)


def test_no_folder(tmp_path):
    with pytest.raises(AuditError, match="is no results folder"):
        gate(tmp_path / "gone", DAY)


# --- which method and layer


def test_the_first_method_is_judged_unless_another_is_named(tmp_path):
    pairs = [("gradcam", "b"), ("gradcam", "a"), ("saliency", "input")]
    root = write_results(tmp_path / "zoo", {"cat": "pass"}, pairs)

    def pair(**asked):
        verdict = judge(root, GateSection(**asked), DAY)
        return verdict.method, verdict.layer

    assert pair() == ("gradcam", "b") and pair(layer="a") == ("gradcam", "a")
    one_layer = judge(root, GateSection(), DAY).checks
    assert [c.class_name for c in one_layer if c.scope == "class"] == ["cat"]
    assert pair(method="saliency") == ("saliency", "input")
    with pytest.raises(AuditError, match="no method 'rise'.*it has gradcam at b, gradcam at a"):
        pair(method="rise")
    with pytest.raises(AuditError, match="no method 'saliency' and layer 'a'"):
        pair(method="saliency", layer="a")


def test_a_policy_for_a_class_that_is_not_there_is_refused(results):
    with pytest.raises(AuditError, match="no class 'cta'; did you mean 'cat'"):
        judge(results, GateSection.model_validate({"by_class": {"cta": {}}}), DAY)


# --- an earlier run


def relative(old, **values):
    asked = {"overall": {"max_drop_accuracy": 0.05}, "baseline": str(old), **values}
    return GateSection.model_validate(asked)


def test_a_drop_below_the_earlier_run(tmp_path):
    now = write_results(tmp_path / "now", {"cat": "pass"}, accuracy=0.8)
    old = write_results(tmp_path / "old", {"cat": "pass"}, accuracy=0.9)
    verdict = judge(now, relative(old), DAY)
    assert verdict.reasons[0].startswith("all classes: drop of accuracy is 0.1 (n 40)")
    assert verdict.baseline["results"] == str(old) and verdict.baseline["differences"] == []
    assert judge(old, relative(now), DAY).passes


def test_runs_that_differ_are_compared_only_when_told(tmp_path):
    now = write_results(tmp_path / "now", {"cat": "pass"}, [("gradcam", "b")])
    old = write_results(tmp_path / "old", {"cat": "pass"}, [("rise", "input")], images="9")
    with pytest.raises(AuditError, match="cannot be compared.*method: rise then.*images: other"):
        judge(now, relative(old), DAY)
    verdict = judge(now, relative(old, baseline_differences="report"), DAY)
    assert verdict.passes and verdict.baseline["method"] == "rise"
    assert [d.split(":")[0] for d in verdict.baseline["differences"]] == [
        "method", "layer", "images",
    ]  # fmt: skip
    assert "baseline: images: other files" in verdict.remarks


def test_a_run_is_no_baseline_of_itself(results):
    with pytest.raises(AuditError, match="own results folder"):
        judge(results, relative(f"{results}/../{results.name}"), DAY)


def test_a_baseline_that_was_changed_is_refused(tmp_path, results):
    old = shutil.copytree(results, tmp_path / "old")
    (old / "per_class.csv").write_text("class\n")
    with pytest.raises(AuditError, match="old/per_class.csv: was changed"):
        judge(results, relative(old), DAY)


def test_junit_goes_to_a_file_that_is_whole_or_not_there(results, tmp_path):
    write_junit(judge(results, GateSection(), DAY), tmp_path / "new" / "out.xml")
    assert (tmp_path / "new" / "out.xml").read_bytes().startswith(b"<?xml")
    with pytest.raises(AuditError, match="cannot be written"):
        write_junit(judge(results, GateSection(), DAY), tmp_path / "zoo" / "summary.json" / "x")
