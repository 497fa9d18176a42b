"""What is read off Snakemake's lines; they are as Snakemake 9.27 writes them."""

import pytest

from audit.stages.snakemake_lines import Steps

FRESH = """\
Job stats:
job           count
----------  -------
inspect           1
index             1
judge             1
all               1
total             4

Select jobs to execute...
localcheckpoint index:
    input: reports/x/stages/model.json
DAG of jobs will be updated after completion.
"""
RESUMED = """\
Job stats:
job           count
----------  -------
explain           3
score             5
judge             1
total             9

"""


def read(text, *more):
    steps = Steps()
    for line in [*text.splitlines(), *more]:
        steps.read(line)
    return steps


def test_nothing_was_said():
    assert read("").due("explain", 7) is None and not read("").undecided


def test_jobs_of_shards_are_counted_by_name_where_the_index_stands():
    steps = read(RESUMED, "localrule score:")
    assert steps.due("explain", 8) == 3 and steps.due("score", 8) == 5
    assert not steps.undecided and steps.stage == "score"


def test_nothing_to_do_for_the_shards():
    steps = read("Job stats:\njob  count\n---  ---\nreport  1\ntotal  1\n\n")
    assert steps.due("explain", 8) == steps.due("score", 8) == 0


def test_a_new_index_is_undecided_until_the_count_of_all_is_known():
    steps = read(FRESH)
    assert steps.undecided and steps.due("explain", 8) is None and steps.stage == "index"
    for line in ("2 of 4 steps (50%) done", "Updating checkpoint dependencies."):
        steps.read(line)
        assert steps.undecided
    steps.read("3 of 20 steps (15%) done")
    assert not steps.undecided


@pytest.mark.parametrize(
    ("of_shards", "explain", "score"),
    [(16, 8, 8), (8, 0, 8), (10, 2, 8), (3, 0, 3)],  # of eight shards
)
def test_after_a_new_index_the_least_that_fits(of_shards, explain, score):
    steps = read(
        FRESH, "Updating checkpoint dependencies.", f"3 of {4 + of_shards} steps (1%) done"
    )
    assert (steps.due("explain", 8), steps.due("score", 8)) == (explain, score)


def test_the_last_rule_is_no_stage():
    assert read(RESUMED, "rule report:", "localrule all:").stage == "report"
