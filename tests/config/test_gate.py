"""The policy in a config: its checks, and the way through the resolved config."""

import datetime
import json

import pytest

from audit.config.gate import GateSection
from audit.config.load import dump_config, load_config, load_policy, read_resolved
from audit.errors import AuditError

BASE = """
audit: {name: a}
model: {path: m.keras, preprocess: none}
dataset: {format: coco, annotations: a.json, images: i}
"""
WAIVER = "{limit: flagged, class_name: cat, owner: Ann, reason: known, expires: %s}"


def load(folder, text):
    (folder / "c.yaml").write_text(BASE + text)
    return load_config([folder / "c.yaml"])


def test_the_resolved_config_says_the_same(tmp_path):
    """Defaults written out do not turn into overrides that lift limits."""
    text = """
gate:
  baseline: old
  classes: {min_accuracy: .9, min_mean_iou: .2, flagged: warn}
  by_class: {cat: {min_accuracy: null}, dog: {flagged: fail}}
  waivers: [{limit: flagged, class_name: dog, owner: A, reason: b, expires: 2027-01-31}]
"""
    config = load(tmp_path, text)
    (tmp_path / "resolved.json").write_text(dump_config(config))
    assert read_resolved(tmp_path / "resolved.json").gate == config.gate
    cat, dog = config.gate.limits_of("cat"), config.gate.limits_of("dog")
    assert (cat.min_accuracy, cat.min_mean_iou, cat.flagged) == (None, 0.2, "warn")
    assert (dog.min_accuracy, dog.min_mean_iou, dog.flagged) == (0.9, 0.2, "fail")
    assert config.gate.limits_of("owl") == config.gate.classes
    assert config.gate.baseline == str(tmp_path / "old")
    assert json.loads(dump_config(config))["gate"]["waivers"][0]["expires"] == "2027-01-31"


@pytest.mark.parametrize("day", ["2027-01-31", "'2027-01-31'"])
def test_a_day_with_and_without_quotes(day, tmp_path):
    config = load(tmp_path, f"gate: {{waivers: [{WAIVER % day}]}}")
    assert config.gate.waivers[0].expires == datetime.date(2027, 1, 31)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WAIVER % "2027-02-30x", "must be a day"),
        (WAIVER % "2027-01-31T10:00:00", "without a time"),
        (WAIVER % "20270131", "expires"),
        ("{limit: flagged, owner: A, reason: b}", "key 'gate.waivers.0.expires' is missing"),
        ("{limit: flaged, owner: A, reason: b, expires: 2027-01-31}", "did you mean 'flagged'?"),
        ("{limit: flagged, owner: ' ', reason: b, expires: 2027-01-31}", "must not be blank"),
        ("{limit: flagged, ower: A, reason: b, expires: 2027-01-31}", "did you mean 'owner'?"),
        (f"{WAIVER % '2027-01-31'}, {WAIVER % '2028-01-31'}", "is there twice"),
    ],
)
def test_a_waiver_with_a_fault(text, told, tmp_path):
    with pytest.raises(AuditError, match=told.replace("?", r"\?")):
        load(tmp_path, f"gate: {{waivers: [{text}]}}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("overall: {min_accuracy: 1.1}", "gate.overall.min_accuracy: .*less than or equal to 1"),
        ("classes: {flagged: maybe}", "gate.classes.flagged: .*'fail', 'warn' or 'ignore'"),
        ("compare: low", "gate.compare: "),
        ("overall: {flagged: warn}", "unknown key 'gate.overall.flagged'"),
        ("classes: {max_drop_accuracy: .1}", "`max_drop_accuracy` needs `baseline`"),
        ("by_class: {cat: {max_rise_background_focused_rate: .1}}", "needs `baseline`"),
        ("baseline: old, classes: {max_drop_accuracy: -0.1}", "greater than or equal to 0"),
    ],
)
def test_a_policy_with_a_fault(text, told, tmp_path):
    with pytest.raises(AuditError, match=told):
        load(tmp_path, f"gate: {{{text}}}")


def test_a_policy_alone(tmp_path):
    (tmp_path / "p.yaml").write_text("gate: {baseline: old, fitness: any}\n")
    policy = load_policy(tmp_path / "p.yaml")
    assert policy == GateSection(baseline=str(tmp_path / "old"), fitness="any")
