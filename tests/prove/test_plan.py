"""The plans: fixed, and what is measured on apart from what defaults are chosen on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from audit.errors import AuditError
from audit.prove import plan as plans
from audit.prove import textures, train
from audit.prove.plan import PLANS, Plan, get_plan
from audit.prove.worlds import CLASSES


@pytest.mark.parametrize("name", PLANS)
def test_cells_have_names_and_seeds_of_their_own_and_do_not_change(name):
    plan = get_plan(name)
    assert len({cell.name for cell in plan.cells}) == len(plan.cells)
    assert len({cell.world.seed for cell in plan.cells}) == len(plan.cells)
    assert plan.digest == get_plan(name).digest
    assert json.loads(json.dumps(plan.rules())) == plan.rules()


def test_what_is_measured_on_was_not_chosen_on():
    chosen, full = (get_plan(name).cells for name in ("choosing", "full"))
    for families, architectures, flat, cells in (
        (textures.CHOOSING, train.CHOOSING, train.CHOOSING_FLAT, chosen),
        (textures.HELD_OUT, train.HELD_OUT, train.HELD_OUT_FLAT, full),
    ):
        assert {cell.world.family for cell in cells} == set(families)
        assert {cell.architecture for cell in cells} == {*architectures, *flat}
    assert {c.world.seed for c in chosen}.isdisjoint(c.world.seed for c in full)


def test_the_full_plan_is_large_enough_and_crossed():
    background = [c for c in get_plan("full").cells if c.group == "background"]
    assert len(background) >= 66
    assert all(c.world.strength == 1 and c.world.shortcut == "texture" for c in background)
    pairs = {(c.world.family, c.architecture) for c in background}
    assert len(pairs) == len(textures.HELD_OUT) * len(train.HELD_OUT)
    assert {c.world.planted for c in background} == set(range(CLASSES))
    assert all(c.world.foreign == plans.FOREIGN for c in background)
    clean = ("clean", "unused", "large", "duplicates")
    assert sum(c.group in clean for c in get_plan("full").cells) >= 66


def test_a_plan_that_is_cut_off_has_as_many_of_both():
    groups = [c.group for c in get_plan("full").cells][:60]
    assert abs(groups.count("background") - 30) <= 2
    assert set(groups) == {"background", "clean", "unused", "large", "duplicates"}


def test_the_digest_changes_with_cells_training_truth_and_audit(monkeypatch):
    plan = get_plan("small")
    cell = plan.cells[0]
    other = (replace(cell, world=replace(cell.world, strength=0.9)), *plan.cells[1:])
    digests = {plan.digest, Plan("small", other).digest}
    monkeypatch.setattr(train, "EPOCHS", train.EPOCHS + 1)
    digests.add(get_plan("small").digest)
    monkeypatch.setattr("audit.prove.truth.MAX_LOST", 0.06)
    digests.add(get_plan("small").digest)
    monkeypatch.setattr(plans, "audit_defaults", lambda: {"flags": {"max_rate": 0.4}})
    digests.add(get_plan("small").digest)
    assert len(digests) == 5


def test_an_unknown_plan_is_told_with_the_nearest():
    with pytest.raises(AuditError, match="did you mean 'small'"):
        get_plan("smal")
