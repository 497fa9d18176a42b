"""Confirmation of classes whose answer is known: a function of the pixels stands for the model."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.config.model import Config
from audit.progress import Progress
from audit.stages import confirm_passes
from audit.stages.confirm import run_confirm
from audit.stages.confirm_images import CHANGE_SCHEMA, remake
from audit.tables.parquet import read_table
from tests.stages.confirm_world import (
    CLASSES,
    HIGH,
    LOW,
    PER_CLASS,
    Answers,
    Audit,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    audit = Audit(tmp_path_factory.mktemp("confirm"))
    audit.probe = audit.run()
    return audit


def test_each_class_gets_the_state_that_it_was_made_for(done):
    states = dict(
        zip(CLASSES, ("confirmed", "refuted", "heatmap_only", "not_run", "not_run"), strict=True)
    )
    assert done.states() == states
    told = json.loads(done.layout.confirmed.read_text())
    assert told["thing"]["n"] == PER_CLASS and "answers from the object" in told["thing"]["reason"]
    assert "needs the object and more" in told["both"]["reason"]
    assert told[CLASSES[0]]["reason"] == (
        f"In {PER_CLASS} images with the object taken away the model keeps 100 % (mean), 100 % (donor) "
        "of its probability, with as much background 100 % (mean), 100 % (donor), with all background "
        "10 % (mean), 10 % (donor): it answers from the background."
    )
    assert "heatmaps the class is pass" in told["fine"]["reason"]


def test_figures_are_those_of_the_known_answers(done):
    table, gone = done.table(), LOW / HIGH
    kept = {CLASSES[0]: (1, gone, 1), "thing": (gone, 1, 1), "both": (gone, gone, 1)}
    for name, (o, b, c) in kept.items():
        for fill in ("mean", "donor"):
            row = table.loc[(name, fill)]
            means = row[["object_removed", "background_removed", "control_removed", "difference"]]
            np.testing.assert_allclose(means.astype(float), (o, b, c, c - o), atol=1e-6)
            assert row["n"] == PER_CLASS and row["n_without_control"] == 0 and row["valid"]
    # The same background from another image of the class.
    assert table.loc[(CLASSES[0], "donor_same"), "background_removed"] == 1
    assert table.loc[("__controls__", "mean"), "n"] == 2 * PER_CLASS
    assert not table.loc[("thing", "inpaint"), "valid"]


def test_what_the_model_names_is_noted(done):
    # Not by a donor, which may bring the background that another class answers to.
    rows = [row for row in done.changes() if row["fill"] == "mean" and row["p"] > 0.5]
    assert {row["target_class"] for row in rows} == set(CLASSES)
    assert all(row["answer"] == row["target_class"] for row in rows)


def test_a_record_costs_eight_passes(done):
    changes = done.changes()
    per_record = pd.DataFrame(changes).groupby(["control", "file_name", "target_class"]).size()
    assert set(per_record[True]) == {4} and len(per_record[True]) == 2 * PER_CLASS
    assert set(per_record[False]) == {8} and len(per_record[False]) == 3 * PER_CLASS
    assert done.probe.calls == -(-len(changes) // 8) + 1  # one batch again, for the estimate


def test_the_time_is_told_before_the_work(tmp_path):
    audit, log = Audit(tmp_path), io.StringIO()
    audit.run(progress=Progress("confirm", log, quiet=True))
    lines = log.getvalue().splitlines()
    assert lines[0].endswith("3 classes, 108 records, 72 controls")
    assert re.search(r"1,152 forward passes, about \d+ s", lines[1])


def test_every_changed_image_can_be_made_again_from_its_row(done):
    for row in done.changes()[::7]:
        again = remake(done.config, done.layout, done.manifest, done.found, row)
        assert again.tobytes() in done.probe.seen


def test_pictures_stay_in_their_folder_whatever_a_class_is_called(done):
    listed = pd.read_csv(done.layout.confirmation / "index.csv")
    assert set(listed["target_class"]) == set(CLASSES[:3])
    for name in listed["picture"]:
        path = done.layout.root / name
        assert path.resolve().parent == done.layout.confirmation.resolve()
        assert Image.open(path).width > 4 * 200


@pytest.mark.parametrize("batch", [5, 64])
def test_results_do_not_depend_on_the_batch(batch, done, tmp_path):
    other = Audit(tmp_path, batch)
    other.run()
    assert other.results() == done.results()


def test_a_killed_run_goes_on_where_it_stopped(done, tmp_path, monkeypatch):
    monkeypatch.setattr(confirm_passes, "PART", 100)
    audit = Audit(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        audit.run(Answers(8, dies_after=60))
    assert (
        not audit.layout.confirmed.exists() and len(list(audit.layout.confirm_parts.iterdir())) == 4
    )
    left = audit.run()
    assert left.calls < done.probe.calls - 40
    assert audit.results() == done.results()
    assert audit.run(Answers(8, dies_after=0)).calls == 0  # all is there
    audit.config = audit.config.model_copy(
        update={"audit": audit.config.audit.model_copy(update={"seed": 1})}
    )
    assert audit.run().calls > 100


def test_a_second_input_is_that_of_the_record_whose_image_is_changed(tmp_path):
    class WithAge(Answers):
        def blank_inputs(self):
            return {"age": np.zeros((self.batch, 1), np.float32)}

        def forward(self, pixels, others):
            self.ages |= set(others["age"].ravel().tolist())
            return super().forward(pixels, {})

    audit = Audit(tmp_path, classes=["thing"], controls=0)
    rows = [f"{name},{name[0]}" for name in audit.predictions["file_name"]]
    (tmp_path / "ages.csv").write_text("\n".join(["file_name,age", *rows]))
    values = audit.config.model_dump()
    values["model"]["inputs"] = {"columns": {"age": "age"}}
    values["dataset"]["metadata"] = str(tmp_path / "ages.csv")
    audit.config = Config.model_validate(values)
    probe = WithAge(8)
    probe.ages = set()
    audit.run(probe)
    assert probe.ages <= {0.0, 1.0} and 1.0 in probe.ages  # 0: places after the last image
    assert audit.states()["thing"] == "not_run"


def test_an_image_that_is_not_there_any_more_is_counted(tmp_path):
    audit = Audit(tmp_path, classes=["thing"])
    (tmp_path / "images" / "1_00.png").unlink()
    (tmp_path / "images" / "1_01.png").write_bytes(b"no image")
    (tmp_path / "images" / "1_02.png").write_bytes((tmp_path / "images" / "0_02.png").read_bytes())
    audit.run()
    reasons = {r["file_name"]: r["reason"] for r in audit.changes() if r["removed"] == "object"}
    assert reasons["1_00.png"] == "missing_image" and reasons["1_01.png"] == "not_an_image"
    assert reasons["1_02.png"] == "changed_file"
    assert all(r["r"] is None for r in audit.changes() if r["file_name"] == "1_00.png")
    assert audit.table().loc[("thing", "mean"), "n"] == PER_CLASS - 3
    assert audit.table().loc[("__controls__", "mean"), "n_without_control"] == 0
    assert audit.states()["thing"] == "refuted"


def no_model(*args, **kwargs):
    pytest.fail("the model was loaded")


@pytest.mark.parametrize(
    ("change", "settings", "says"),
    [
        (lambda a: a.judged.assign(verdict="pass"), {}, "is pass"),
        (lambda a: a.judged, {"classes": "none"}, "confirm.classes is none"),
        (lambda a: a.judged, {"min_probability": 0.9}, "0 eligible"),
        (lambda a: a.judged, {"passes": 7}, "confirm.passes does not suffice"),
    ],
)
def test_where_no_class_is_asked_no_model_is_loaded(change, settings, says, tmp_path, monkeypatch):
    monkeypatch.setattr(confirm_passes, "ModelProbe", no_model)
    audit = Audit(tmp_path, **settings)
    audit.judged = change(audit)
    audit.save()
    progress = Progress("confirm", quiet=True)
    run_confirm(audit.config, audit.layout, audit.manifest, audit.found, progress)
    assert set(audit.states().values()) == {"not_run"}
    told = json.loads(audit.layout.confirmed.read_text())
    assert says in told["thing"]["reason"]
    assert audit.changes() == [] and not len(audit.table())
    assert read_table(audit.layout.changes).schema.names == CHANGE_SCHEMA.names


def test_without_controls_nothing_is_decided(tmp_path):
    audit = Audit(tmp_path)
    audit.judged.loc[3:, "verdict"] = "insufficient"
    audit.save()
    audit.run()
    assert set(audit.states().values()) == {"not_run"}
    told = json.loads(audit.layout.confirmed.read_text())["thing"]["reason"]
    assert "0 records (of passing classes" in told
    assert audit.table().loc[(CLASSES[0], "mean"), "object_removed"] == 1  # measured all the same
