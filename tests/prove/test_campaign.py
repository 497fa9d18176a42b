"""Campaigns: a line a model, gone on with after a kill, refused under other rules."""

from __future__ import annotations

import threading
from operator import attrgetter

import pytest

from audit.errors import AuditError
from audit.prove import campaign
from audit.prove.campaign import read_rows, run_plan
from audit.prove.plan import Plan, get_plan


def row_of(cell):
    return {
        **cell.as_dict(), "package": "p", "truth": {"verdict": "failed"}, "classes": [],
        "seconds": {"train": 1.0},
    }  # fmt: skip


class Work:
    """Stands in for a trial; stops after some."""

    def __init__(self, stop_after=None):
        self.names = []
        self._left = stop_after

    def __call__(self, cell):
        if self._left is not None and len(self.names) == self._left:
            raise KeyboardInterrupt
        self.names.append(cell.name)
        return row_of(cell)


@pytest.fixture
def plan():
    return Plan("few", get_plan("small").cells[:4])


def run(plan, folder, work):
    return run_plan(plan, folder, 1, lambda line: None, work)


def test_a_killed_campaign_goes_on_where_it_stopped(tmp_path, plan):
    first, second = Work(stop_after=2), Work()
    with pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path, first)
    rows = run(plan, tmp_path, second)
    assert first.names + second.names == [cell.name for cell in plan.cells]
    assert rows == [row_of(cell) for cell in plan.cells]
    assert run(plan, tmp_path, Work(stop_after=0)) == rows


def test_a_line_that_was_cut_short_is_made_again(tmp_path, plan):
    with pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path, Work(stop_after=2))
    lines = tmp_path / "trials.jsonl"
    lines.write_bytes(lines.read_bytes()[:-20])
    again = Work()
    rows = run(plan, tmp_path, again)
    assert again.names == [cell.name for cell in plan.cells[1:]]
    assert list(read_rows(lines).values()) == rows


def test_what_is_done_so_far_is_handed_over_after_each_model(tmp_path, plan):
    seen = []
    run_plan(plan, tmp_path, 1, lambda line: None, Work(), lambda rows: seen.append(len(rows)))
    assert seen == [1, 2, 3, 4]


def test_workers_are_renewed_and_the_campaign_goes_on(plan, monkeypatch):
    """One pool that renews its own workers waits for ever (CPython issue 115634)."""
    monkeypatch.setattr(campaign, "TRIALS_PER_WORKER", 1)
    done = []

    def work():
        done.extend(campaign._in_processes(plan.cells, 1, attrgetter("name")))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(120)
    assert not thread.is_alive() and done == [cell.name for cell in plan.cells]


def test_rows_are_in_the_order_of_the_plan(tmp_path, plan):
    turned = Plan(plan.name, plan.cells[::-1])
    folder = tmp_path / "one"
    run(turned, folder, Work())
    (folder / "plan.json").unlink()
    assert [row["name"] for row in run(plan, folder, Work(0))] == [c.name for c in plan.cells]


def test_other_rules_are_refused_and_nothing_is_lost(tmp_path, plan):
    run(plan, tmp_path, Work())
    before = (tmp_path / "trials.jsonl").read_bytes()
    with pytest.raises(AuditError, match="other rules"):
        run(Plan("few", plan.cells[:3]), tmp_path, Work())
    assert (tmp_path / "trials.jsonl").read_bytes() == before
