"""Which records are changed by which fills, and which fills decide."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.errors import AuditError
from audit.fills import FILLS, Fill
from audit.stages import confirm_tables
from audit.stages.confirm_images import Pictures, read_images
from audit.stages.confirm_plan import Plan, make_plan
from audit.stages.confirm_trial import Trial, try_fills
from audit.stages.inspect import check_same_model
from audit.statistics import ConfirmationRule, fill_evidence
from tests.stages.confirm_world import CLASSES, PER_CLASS, SIZE, Audit


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    audit = Audit(tmp_path_factory.mktemp("confirm"))
    audit.probe = audit.run()
    return audit


# -- fills that do not do what they are meant to do


@pytest.fixture
def leaky(monkeypatch):
    """Fills that take nothing away."""
    for name, kind in (("leaky", "colour"), ("leaky too", "content")):
        entry = Fill(name, "", "", kind, None, lambda pixels, region, donor: pixels)
        monkeypatch.setitem(FILLS._entries, name, entry)


def test_the_first_fill_that_proves_itself_decides(done, leaky, tmp_path):
    audit = Audit(tmp_path, fills=["leaky", "donor", "mean"])
    audit.run()
    assert audit.states() == done.states()
    table = audit.table()
    own = table.loc[("__controls__", "leaky")]
    assert own["object_removed"] == 1 and not own["valid"]
    assert own["reason"].endswith("the answer survives the object's removal")
    assert not table.loc[("thing", "leaky"), "valid"]
    assert pd.isna(table.loc[("thing", "leaky"), "state"])
    for column in ("object_removed", "control_removed", "background_removed", "state"):
        assert table.loc[("thing", "mean"), column] == done.table().loc[("thing", "mean"), column]


def test_without_a_valid_fill_of_each_kind_nothing_is_decided(leaky, tmp_path):
    audit = Audit(tmp_path, fills=["mean", "leaky"])
    audit.run()
    told = json.loads(audit.layout.confirmed.read_text())["both"]
    assert told["state"] == "not_run"
    assert told["reason"] == "No valid fill of content in confirm.fills."
    audit = Audit(tmp_path, fills=["leaky", "donor"])
    audit.run()
    told = json.loads(audit.layout.confirmed.read_text())["both"]
    assert told["state"] == "not_run"
    assert told["reason"] == (
        "No valid fill of colour: leaky not valid: on controls the answer survives the object's "
        "removal."
    )


@pytest.mark.parametrize(
    ("fills", "most"), [(["mean", "donor"], 7), (["leaky", "leaky too", "mean", "donor"], 8)]
)
def test_no_record_costs_more_than_eight_passes(fills, most, leaky, tmp_path):
    audit = Audit(tmp_path, classes="all", fills=fills)
    probe = audit.run()
    changes = pd.DataFrame(audit.changes())
    counts = changes.groupby(["file_name", "target_class"]).size()
    assert len(counts) == 5 * PER_CLASS and counts.max() == most
    assert not changes.duplicated(["file_name", "target_class", "removed", "fill"]).any()
    images = changes["p"].notna().sum()
    assert probe.calls <= images / 8 + 1 + 2 * 2  # the estimate's, and batches that are not full


def test_controls_beyond_a_class_s_own_sample_do_not_count_for_it(tmp_path):
    audit = Audit(tmp_path, classes="all", records=30)
    audit.run()
    table = audit.table()
    assert table.loc[("__controls__", "mean"), "n"] == 2 * PER_CLASS
    assert set(table["n"].drop("__controls__", level="class")) == {30}


def test_controls_are_records_that_have_room_for_one(tmp_path):
    def few(records):
        return records["file_name"].str[2:4].astype(int).to_numpy() % 3 > 0

    found = plan(Audit(tmp_path, controls=40), few)
    assert len(found.controls) == 40 and few(found.controls).all()
    assert set(found.controls["target_class"].value_counts()) == {20}
    assert len(found.records) == 3 * PER_CLASS  # of the classes themselves none is passed over


def test_room_is_looked_for_beside_all_objects(done):
    images = read_images(done.layout, done.manifest, {"3_00.png"})
    (row,) = images.values()
    box = row["objects"][0]

    def has_control(**further):
        changed = {"3_00.png": {**row, "objects": [box, {**box, **further}]}}
        return Pictures(done.config, done.found, changed).has_control("3_00.png", "fine")

    whole = {"x0": 0, "y0": 0, "x1": SIZE, "y1": SIZE}
    assert has_control() and not has_control(**whole)
    assert not has_control(**whole, class_name="thing")


def test_objects_over_half_of_the_image_are_no_controls(tmp_path):
    audit = Audit(tmp_path)
    audit.predictions.loc[audit.predictions["target_class"] == "fine", "area_fraction"] = 0.6
    assert set(plan(audit).controls["target_class"]) == {"fine too"}


@pytest.mark.parametrize(
    ("left", "state", "ends"),
    [(0.1, "confirmed", "from the background."), (0.9, "heatmap_only", "to anything.")],
)
def test_a_class_that_answers_to_anything_does_not_need_its_background(left, state, ends):
    def all_at(value):
        return np.full(40, value)

    names = [str(k) for k in range(40)]
    fills = ("blur", "donor")
    own = {f: fill_evidence(all_at(0.9), all_at(left), all_at(0.95), names) for f in fills}
    tried = {f: fill_evidence(all_at(0.1), all_at(0.9), all_at(0.9), names) for f in fills}
    trial = Trial(tried, frozenset(fills), tuple(FILLS.get(f) for f in fills), {})
    told = confirm_tables._told(own, trial, 40, ConfirmationRule())
    assert told["state"] == state and told["reason"].endswith(ends)


# -- the plan


def plan(audit, can=None):
    def everywhere(records):
        return np.ones(len(records), bool)

    return make_plan(
        audit.judged, audit.predictions, list(CLASSES), audit.config, can or everywhere
    )


def test_flagged_classes_come_first_and_share_the_budget(tmp_path):
    audit = Audit(tmp_path, passes=8 * (64 + 2 * 32 + 1))
    found = plan(audit)
    assert list(found.asked) == ["../../mead ow", "both"]
    assert found.not_run["thing"].startswith("Left out")
    assert set(found.records["target_class"].value_counts()) == {32}
    assert set(found.controls["target_class"].value_counts()) == {32}


def test_classes_that_a_method_clears_and_another_flags_are_no_controls(tmp_path):
    audit = Audit(tmp_path)
    extra = {"class": "fine", "method": "layercam", "layer": "a", "verdict": "inconclusive"}
    audit.judged = pd.concat([audit.judged, pd.DataFrame([extra])], ignore_index=True)
    found = plan(audit)
    assert found.asked["fine"] == "inconclusive" and set(found.controls["target_class"]) == {
        "fine too"
    }


def test_donors_are_of_the_class_that_the_fill_asks_for(done):
    class_of = dict(
        zip(done.predictions["file_name"], done.predictions["target_class"], strict=True)
    )
    for row in plan(done).records.to_dict("records"):
        assert class_of[row["same"]] == row["target_class"] != class_of[row["other"]]
        assert row["same"] != row["file_name"]


def test_unknown_classes_and_fills_name_the_nearest(tmp_path):
    with pytest.raises(AuditError, match="confirm.classes: no such class.*'thing'"):
        plan(Audit(tmp_path, classes=["thong"]))
    with pytest.raises(AuditError, match="confirm.fills: unknown fill.*'mean'"):
        Audit(tmp_path / "other", fills=["maen"]).run()


def test_a_single_kind_of_fill_decides_nothing(tmp_path):
    audit = Audit(tmp_path, classes=["thing"], fills=["mean", "blur"])
    audit.run()
    assert audit.states()["thing"] == "not_run"


def test_models_are_told_apart(tmp_path):
    facts = {"input_height": 1, "layers": [1]}
    check_same_model({**facts, "layers": []}, facts, layers=False)
    with pytest.raises(AuditError, match="not the one that was inspected"):
        check_same_model({**facts, "input_height": 2}, facts, layers=False)


# -- the answer to anything


def controls_of(answers):
    """Rows of two classes' controls by ``mean``; ``answers``: class -> what is named without it."""
    rows = [
        {
            "file_name": f"{name}-{k}", "target_class": name, "fill": "mean", "removed": removed,
            "r": 0.1 if removed == "object" and name != answer else 0.9,
            "answer": answer if removed == "object" else name,
        }
        for name, answer in answers.items()
        for k in range(40)
        for removed in ("object", "control")
    ]  # fmt: skip
    return rows


def tried(rows, fills=("mean",)):
    found = [FILLS.get(name) for name in fills]
    trial, _ = try_fills(found, lambda tests: rows, ConfirmationRule(), seed=0)
    return trial


def test_a_class_that_is_named_without_any_object_is_no_control(done):
    trial = tried(controls_of({"ring": "heart", "heart": "heart"}))
    assert trial.left_out["mean"] == {"heart"} and trial.valid == {"mean"}
    assert trial.evidence["mean"].object_removed.n == 40
    table, _ = confirm_tables.tables(
        Plan({}, {}, pd.DataFrame({"target_class": []}), pd.DataFrame()), trial,
        pd.DataFrame(controls_of({"ring": "heart", "heart": "heart"})).assign(control=True),
        done.config,
    )  # fmt: skip
    assert (
        table["reason"][0] == "left out: heart, which other classes are given without their object"
    )
    assert table["n"][0] == 40 and table["valid"][0]


@pytest.mark.parametrize(
    "answers",
    [
        # Each is its own answer: the fill does not remove the object, and no class is to blame.
        {"ring": "ring", "heart": "heart"},
        # What is named is neither of the two.
        {"ring": "other", "heart": None},
    ],
)
def test_only_what_others_are_given_is_the_answer_to_anything(answers):
    trial = tried(controls_of(answers))
    assert not trial.left_out["mean"]
    assert trial.valid == (set() if "ring" in answers.values() else {"mean"})


def test_half_of_the_others_is_not_most_of_them():
    rows = controls_of({"ring": "heart", "heart": "heart"})
    for row in rows[: len(rows) // 4]:
        row["answer"] = "ring"
    assert not tried(rows).left_out["mean"]
