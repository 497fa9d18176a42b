"""Waivers, the result and its reasons, and the way to JSON and back."""

import datetime
import json

import pytest

from audit.gate import Verdict, evaluate, verdict_of

DAY = datetime.date(2026, 5, 31)


@pytest.fixture
def judged(policy, report, row):
    """Builds the verdict on a flagged cat and a dog that passes."""

    def build(*waivers, day=DAY, **values):
        told = [{"owner": "Ann", "reason": "known", "expires": "2026-05-31", **w} for w in waivers]
        asked = policy(waivers=told, **values)
        rows = row("cat", verdict="flagged", accuracy=0.5), row("dog")
        checks = evaluate(asked, report(*rows), None)
        return verdict_of("a", ("gradcam", "top"), asked, checks, day, {"per_class.csv": "f00"})

    return build


FLAGGED_CAT = {"limit": "flagged", "class_name": "cat"}


def states(verdict):
    return [w.state for w in verdict.waivers]


def test_a_failure_is_waived_through_its_last_day_and_stays_visible(judged):
    for days, state, passes in ((-1, "used", True), (0, "used", True), (1, "expired", False)):
        verdict = judged(FLAGGED_CAT, day=DAY + datetime.timedelta(days))
        assert states(verdict) == [state] and verdict.passes == passes
        (check,) = [c for c in verdict.checks if c.finding == "flagged"]
        assert check.state == ("waived" if passes else "fail") and check.found == "fail"
        assert verdict.counts()["waived"] == passes
    assert "the waiver of Ann expired on 2026-05-31" in verdict.reasons[0]
    assert any("waived until 2026-05-31 by Ann: known" in r for r in judged(FLAGGED_CAT).remarks)


@pytest.mark.parametrize(
    ("waiver", "state"),
    [
        ({"limit": "flagged", "class_name": "dog"}, "unmatched"),
        ({"limit": "flagged", "class_name": "cow"}, "unmatched"),
        ({"limit": "flagged"}, "unmatched"),  # of all classes together, which is no check
        ({"limit": "confirmed", "class_name": "cat"}, "unmatched"),
        ({"limit": "min_accuracy", "class_name": "cat"}, "unmatched"),
        ({"limit": "min_judged"}, "not_needed"),
    ],
)
def test_a_waiver_that_waives_nothing_is_named(waiver, state, judged):
    verdict = judged(waiver)
    assert states(verdict) == [state] and not verdict.passes
    assert any(waiver["limit"] in remark and "Ann" in remark for remark in verdict.remarks)


def test_a_waived_flag_does_not_cover_a_confirmation(policy, report, row):
    told = {**FLAGGED_CAT, "owner": "A", "reason": "b", "expires": "2027-01-01"}
    asked = policy(waivers=[told])
    confirmed = row("cat", verdict="flagged", confirmation="confirmed")
    verdict = verdict_of("a", ("m", "l"), asked, evaluate(asked, report(confirmed), None), DAY, {})
    assert not verdict.passes and states(verdict) == ["unmatched"]


def test_what_was_not_observed_may_be_waived(policy, report, row):
    told = {"limit": "min_accuracy", "class_name": "cat", "owner": "A", "reason": "b"}
    asked = policy(
        classes={"min_accuracy": 0.5}, waivers=[{**told, "expires": datetime.date(2027, 1, 1)}]
    )
    checks = evaluate(asked, report(row(accuracy=None)), None)
    assert verdict_of("a", ("m", "l"), asked, checks, DAY, {}).passes


def test_the_main_reasons_come_first(policy, report, row):
    asked = policy(
        overall={"min_accuracy": 0.99}, classes={"min_accuracy": 0.8, "min_mean_iou": 0.1}
    )
    rows = [
        row("a", mean_iou=None), row("b", accuracy=0.1), row("c", verdict="flagged"),
        row("d", verdict="flagged", confirmation="confirmed", fitness="unfit"),
    ]  # fmt: skip
    rows = [{**r, "fitness": "unfit"} for r in rows]
    verdict = verdict_of("a", ("m", "l"), asked, evaluate(asked, report(*rows), None), DAY, {})
    starts = [" ".join(reason.split()[:2]) for reason in verdict.reasons]
    assert starts == [
        "d: changing", "c: flagged", "the explanation", "all classes:", "b: accuracy", "a: mean",
    ]  # fmt: skip


def test_counts_add_up(judged):
    counts = judged(FLAGGED_CAT, classes={"min_accuracy": 0.6}).counts()
    assert counts["checks"] == sum(counts.values()) - counts["checks"] == 6
    assert (counts["fail"], counts["waived"]) == (1, 1)


def test_to_json_and_back_on_another_day(judged):
    verdict = judged(FLAGGED_CAT, {"limit": "min_judged"}, classes={"min_accuracy": 0.2})
    values = json.loads(json.dumps(verdict.values(), allow_nan=False))
    assert values["result"] == "pass" and values["date"] == "2026-05-31"
    assert Verdict.read(values) == verdict
    later = Verdict.read(values).on(DAY + datetime.timedelta(1))
    assert not later.passes and later.values()["result"] == "fail"
    assert later.on(DAY) == verdict, "a waiver that was used once is none of the facts"


def test_the_policy_is_written_out_with_its_defaults(judged):
    policy = judged().values()["policy"]
    assert policy["classes"]["flagged"] == "fail" and policy["overall"]["min_judged"] == 1
