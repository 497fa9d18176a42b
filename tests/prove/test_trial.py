"""A planted model's data on disk, and two models from the world to the verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from audit.cli import main
from audit.prove import trial
from audit.prove.campaign import run_plan
from audit.prove.plan import FOREIGN, Cell, Plan
from audit.prove.results import write_results
from audit.prove.worlds import AUDITED, World, draw, render


def test_the_audited_data_are_the_worlds_pictures_with_their_boxes(tmp_path):
    world = World(3, classes=3, size=32, audited=4, duplicates=0.5)
    trial.write_data(world, tmp_path)
    boxes = json.loads((tmp_path / "boxes.json").read_text())
    names = [entry["file_name"] for entry in boxes["images"]]
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == sorted(names)
    assert sum(name.endswith("-copy.jpg") for name in names) == 6 and len(names) == 18
    for entry, note in zip(boxes["images"], boxes["annotations"], strict=True):
        picture = draw(world, AUDITED, int(entry["file_name"][:5]))
        rendered = render(world, picture)
        stored = np.asarray(Image.open(tmp_path / "images" / entry["file_name"]), int)
        apart = np.abs(stored - rendered.image).mean()
        assert apart < 8 if entry["file_name"].endswith(".jpg") else apart == 0
        assert note["category_id"] == picture.label + 1
        box = rendered.box
        assert note["bbox"] == [box.x0, box.y0, box.width, box.height]


def test_the_audit_keeps_every_default(tmp_path):
    world = World(3, classes=3)
    config = trial.audit_config(world, tmp_path).model_dump(mode="json")
    from audit.prove.plan import NO_BEARING, audit_defaults

    assert {k: v for k, v in config.items() if k not in NO_BEARING} == audit_defaults()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--plan", "smal"], "did you mean 'small'"), (["--jobs", "0"], "--jobs")],
)
def test_bad_arguments_are_told_in_one_line(arguments, message, capsys):
    assert main(["prove", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


@pytest.mark.slow
def test_a_reliant_model_is_flagged_and_confirmed_and_a_clean_one_is_not(tmp_path):
    """The proving ground end to end, with two models."""
    usual = World(5001, family="checks", planted=1, audited=60)
    worlds = {
        "background": replace(usual, foreign=FOREIGN),
        "clean": replace(usual, seed=6001, strength=0.0),
    }
    plan = Plan("two", tuple(Cell(name, name, "plain", w) for name, w in worlds.items()))
    rows = run_plan(plan, tmp_path, 1, lambda line: None, trial.run_trial)
    reliant, clean = (row["truth"]["verdict"] for row in rows)
    assert (reliant, clean) == ("reliant", "clean")
    rates = {
        (r["models"], r["rate_of"]): r["k"] for r in write_results(plan, rows, tmp_path)["rates"]
    }
    assert rates[("background", "flagged_and_confirmed")] == 1
    assert rates[("clean models", "any_flag")] == 0
    assert json.loads((tmp_path / "trials.jsonl").read_text().splitlines()[0]) == rows[0]
