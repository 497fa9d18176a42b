"""What a policy asks, and what it is told."""

import math

import pytest

from audit.gate import Figure, evaluate
from audit.gate.figures import difference, figure


def found(checks):
    """(class, limit) -> the check."""
    names = [(c.class_name, c.limit) for c in checks]
    assert len(names) == len(set(names))
    return dict(zip(names, checks, strict=True))


def one(checks, name, limit):
    return found(checks)[name, limit]


# --- verdicts


@pytest.mark.parametrize(
    ("verdict", "confirmation", "finding", "state"),
    [
        ("pass", "not_run", "pass", "pass"),
        ("flagged", "not_run", "flagged", "fail"),
        ("flagged", "heatmap_only", "flagged", "fail"),
        ("flagged", "mixed", "flagged", "fail"),
        ("flagged", "confirmed", "confirmed", "fail"),
        ("flagged", "refuted", "refuted", "warn"),
        ("inconclusive", "not_run", "inconclusive", "warn"),
        # The heatmaps could not tell; changing the image did.
        ("inconclusive", "confirmed", "confirmed", "fail"),
        ("inconclusive", "refuted", "inconclusive", "warn"),
        ("pass", "confirmed", "confirmed", "fail"),
        ("insufficient", "not_run", "insufficient", "warn"),
    ],
)
def test_the_default_policy(verdict, confirmation, finding, state, policy, report, row):
    judged = row("dog")
    asked = row("cat", verdict=verdict, confirmation=confirmation)
    check = one(evaluate(policy(), report(asked, judged), None), "cat", "verdict")
    assert (check.finding, check.state, check.fails) == (finding, state, state == "fail")


def test_the_default_policy_asks_for_verdicts_and_no_figures(policy, report, row):
    checks = evaluate(policy(), report(row("cat", accuracy=0.01), row("dog")), None)
    assert set(found(checks)) == {
        (None, "min_judged"), (None, "fitness"), ("cat", "verdict"), ("dog", "verdict"),
    }  # fmt: skip
    assert not any(c.fails for c in checks)


def test_an_audit_that_judged_nothing_has_shown_nothing(policy, report, row):
    few = row("cat", verdict="insufficient"), row("dog", verdict="inconclusive")
    assert one(evaluate(policy(), report(*few), None), None, "min_judged").fails
    assert one(evaluate(policy(), report(), None), None, "min_judged").fails
    off = policy(overall={"min_judged": 0})
    assert not any(c.fails for c in evaluate(off, report(*few), None))


def test_consequences_are_the_policys_and_a_class_may_differ(policy, report, row):
    asked = policy(
        classes={"flagged": "warn", "insufficient": "fail"},
        by_class={"dog": {"flagged": "fail"}, "owl": {"insufficient": "ignore"}},
    )
    rows = [row("cat", verdict="flagged"), row("dog", verdict="flagged")]
    rows += [row(n, verdict="insufficient") for n in ("elk", "owl")]
    checks = found(evaluate(asked, report(*rows), None))
    states = {name: checks[name, "verdict"].state for name in ("cat", "dog", "elk", "owl")}
    assert states == {"cat": "warn", "dog": "fail", "elk": "fail", "owl": "pass"}


def test_a_baseline_method_judges_nothing(policy, report, row):
    checks = evaluate(policy(), report(row(verdict=None, confirmation=None, fitness=None)), None)
    check = one(checks, "cat", "verdict")
    assert check.state == "not_observed" and check.fails


def test_numbers_of_classes(policy, report, row):
    rows = [row("a", verdict="flagged"), row("b", verdict="flagged", confirmation="confirmed")]
    asked = {"overall": {"max_flagged": 1, "max_confirmed": 1}}
    checks = found(evaluate(policy(**asked), report(*rows, row("c")), None))
    assert checks[None, "max_flagged"].observed == 2 and checks[None, "max_flagged"].fails
    assert checks[None, "max_confirmed"].state == "pass"


def test_share_of_images_left_out(policy, report, row):
    asked = policy(overall={"max_excluded_share": 0.05})
    for images, state in (((100, 5), "pass"), ((100, 6), "fail"), ((0, 0), "not_observed")):
        checks = evaluate(asked, report(row(), images=images), None)
        assert one(checks, None, "max_excluded_share").state == state


@pytest.mark.parametrize(
    ("asked", "fitness", "state"),
    [
        ("not_unfit", "unfit", "fail"),
        ("not_unfit", "not_run", "pass"),
        ("fit", "not_run", "not_observed"),
        ("not_unfit", "unknown", "pass"),
        ("fit", "unknown", "not_observed"),
        ("fit", "unfit", "fail"),
        ("fit", "fit", "pass"),
    ],
)
def test_fitness_of_the_explanation(asked, fitness, state, policy, report, row):
    checks = evaluate(policy(fitness=asked), report(row(fitness=fitness)), None)
    check = one(checks, None, "fitness")
    assert check.state == state and check.fails == (state != "pass")
    assert "gradcam at top" in check.sentence


def test_fitness_may_go_unasked(policy, report, row):
    checks = evaluate(policy(fitness="any"), report(row(fitness="unfit")), None)
    assert (None, "fitness") not in found(checks)


# --- figures


@pytest.mark.parametrize(
    ("limit", "bound", "state"),
    [
        ("min_accuracy", 0.9, "pass"),
        ("min_accuracy", 0.91, "fail"),
        ("min_pointing_accuracy", 0.81, "fail"),
        ("min_pointing_skill", 0.6, "pass"),
        ("min_energy_skill", 0.41, "fail"),
        ("min_mean_iou", 0.3, "pass"),
        ("max_background_focused_rate", 0.1, "pass"),
        ("max_background_focused_rate", 0.09, "fail"),
        ("max_unscored_share", 0.04, "pass"),
        ("max_unscored_share", 0.03, "fail"),
        ("min_eligible", 40, "pass"),
        ("min_eligible", 41, "fail"),
    ],
)
def test_a_limit_on_its_figure_is_held_and_one_beside_it_is_not(
    limit, bound, state, policy, report, row
):
    checks = evaluate(policy(classes={limit: bound}), report(row()), None)
    assert one(checks, "cat", limit).state == state
    checks = evaluate(policy(overall={limit: bound}), report(row()), None)
    assert one(checks, None, limit).state == state


@pytest.mark.parametrize(
    ("limit", "bound", "estimate", "pessimistic", "optimistic", "shown"),
    [
        ("min_accuracy", 0.75, "pass", "pass", "pass", "holds"),
        ("min_accuracy", 0.85, "pass", "fail", "pass", "open"),
        ("min_accuracy", 0.93, "fail", "fail", "pass", "open"),
        ("min_accuracy", 0.97, "fail", "fail", "fail", "broken"),
        ("max_background_focused_rate", 0.25, "pass", "pass", "pass", "holds"),
        ("max_background_focused_rate", 0.15, "pass", "fail", "pass", "open"),
        ("max_background_focused_rate", 0.07, "fail", "fail", "pass", "open"),
        ("max_background_focused_rate", 0.01, "fail", "fail", "fail", "broken"),
        # Carried over from pointing accuracy .7 to .9 at chance .5: .4 to .8.
        ("min_pointing_skill", 0.4, "pass", "pass", "pass", "holds"),
        ("min_pointing_skill", 0.41, "pass", "fail", "pass", "open"),
        ("min_pointing_skill", 0.81, "fail", "fail", "fail", "broken"),
        # A share of all there are has no interval.
        ("max_unscored_share", 0.04, "pass", "pass", "pass", None),
    ],
)
def test_what_a_limit_is_compared_with(
    limit, bound, estimate, pessimistic, optimistic, shown, policy, report, row
):
    wanted = {"estimate": estimate, "pessimistic": pessimistic, "optimistic": optimistic}
    for compare, state in wanted.items():
        asked = policy(classes={limit: bound}, compare=compare)
        check = one(evaluate(asked, report(row()), None), "cat", limit)
        assert (check.state, check.shown) == (state, shown), compare


@pytest.mark.parametrize("consequence", ["fail", "warn"])
def test_what_was_not_observed_is_never_a_pass(consequence, policy, report, row):
    limits = {"min_accuracy": 0, "max_background_focused_rate": 1, "max_unscored_share": 1}
    empty = row(accuracy=None, background_focused_rate=None, n_scored=0, n_unscored=0)
    asked = policy(classes=limits, not_observed=consequence)
    checks = found(evaluate(asked, report(empty), None))
    for limit in limits:
        check = checks["cat", limit]
        assert check.state == "not_observed" and check.observed is None
        assert check.fails == (consequence == "fail") and "was not observed" in check.sentence


@pytest.mark.parametrize("compare", ["pessimistic", "optimistic"])
def test_a_figure_without_the_interval_that_is_asked_for_is_not_observed(
    compare, policy, report, row
):
    asked = policy(classes={"min_accuracy": 0.1}, compare=compare)
    single = row(accuracy_low=None, accuracy_high=None)
    assert one(evaluate(asked, report(single), None), "cat", "min_accuracy").state == "not_observed"


def test_a_null_lifts_a_classs_limit(policy, report, row):
    asked = policy(
        classes={"min_accuracy": 0.95, "min_mean_iou": 0.2},
        by_class={"dog": {"min_accuracy": None}},
    )
    checks = found(evaluate(asked, report(row("cat"), row("dog")), None))
    assert checks["cat", "min_accuracy"].fails and ("dog", "min_accuracy") not in checks
    assert ("dog", "min_mean_iou") in checks


def test_the_sentence_says_it_all(policy, report, row):
    asked = policy(classes={"max_background_focused_rate": 0.01})
    check = one(evaluate(asked, report(row()), None), "cat", "max_background_focused_rate")
    assert check.sentence == (
        "cat: background-focused rate is 0.1 (0.05 to 0.2, n 40); the limit is at most 0.01, "
        "shown to be broken"
    )
    assert (check.n, check.low, check.high, check.bound) == (40, 0.05, 0.2, 0.01)


# --- against an earlier run


def test_a_difference_has_the_interval_of_two_independent_rates():
    """Newcombe 1998, table II, method 10: 56/70 - 48/80 is .2000, .0524 to .3339."""

    def wilson(k, n, z=1.959964):
        p, half = k / n, z * math.sqrt(k / n * (1 - k / n) / n + z * z / 4 / n / n)
        return [(p + z * z / 2 / n + s * half) / (1 + z * z / n) for s in (-1, 1)]

    found = difference(
        Figure(56 / 70, *wilson(56, 70), n=70), Figure(48 / 80, *wilson(48, 80), n=80)
    )
    assert found.value == pytest.approx(0.2) and found.n == 70
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("limit", "change", "lost"),
    [
        ("max_drop_accuracy", {"accuracy": 0.85}, 0.05),
        ("max_drop_pointing_accuracy", {"pointing_accuracy": 0.75}, 0.05),
        ("max_drop_pointing_skill", {"pointing_skill": 0.55}, 0.05),
        ("max_drop_energy_skill", {"energy_skill": 0.35}, 0.05),
        ("max_drop_mean_iou", {"mean_iou": 0.25}, 0.05),
        ("max_rise_background_focused_rate", {"background_focused_rate": 0.15}, 0.05),
    ],
)
def test_a_change_for_the_worse_is_held_against_the_baseline(
    limit, change, lost, policy, report, row
):
    def check(bound, now, then):
        asked = policy(classes={limit: bound}, baseline="old")
        return one(evaluate(asked, report(now), report(then)), "cat", limit)

    worse = check(0.04, row(**change), row())
    assert worse.fails and worse.observed == pytest.approx(lost)
    assert check(0.05, row(**change), row()).state == "pass", "equal but for rounding"
    better = check(0.0, row(), row(**change))
    assert better.state == "pass" and better.observed == pytest.approx(-lost)
    (figure_name,) = change
    assert check(1, row(), row(**{figure_name: None})).state == "not_observed"


def test_a_class_that_the_baseline_lacks_was_not_observed_there(policy, report, row):
    asked = policy(classes={"max_drop_accuracy": 0.1}, baseline="old")
    checks = evaluate(asked, report(row("new")), report(row("cat")))
    assert one(checks, "new", "max_drop_accuracy").fails


def test_newly_flagged(policy, report, row):
    flagged = row(verdict="flagged")
    lenient = {"classes": {"flagged": "warn"}, "baseline": "old"}
    for then, state in ((row(), "fail"), (flagged, "warn")):
        check = one(evaluate(policy(**lenient), report(flagged), report(then)), "cat", "verdict")
        assert check.state == state and ("not so in the baseline" in check.sentence) == (
            state == "fail"
        )
    checks = evaluate(policy(**lenient), report(flagged), report(row("dog")))
    assert one(checks, "cat", "verdict").fails, "a class that the baseline lacks is new, too"
    checks = evaluate(policy(**lenient, no_new_flagged=False), report(flagged), report(row()))
    assert one(checks, "cat", "verdict").state == "warn"


def test_a_cell_reads_back_to_the_last_digit(row):
    assert figure(row(accuracy=0.1 + 0.2), "accuracy").value == 0.1 + 0.2
    assert figure(row(accuracy="nan"), "accuracy").value is None
