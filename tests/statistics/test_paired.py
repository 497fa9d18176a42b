"""Paired outcomes against statsmodels, SciPy and counting by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from audit.statistics import (
    ChangeRule,
    Pairs,
    answers_sentence,
    change_sentence,
    clustered_mean,
    mcnemar_p,
    mean_change,
    pair_outcomes,
    rule_sentence,
)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

NAN = float("nan")
RULE = ChangeRule()
WAYS = [(0, 0), (0, 1), (1, 0), (3, 3), (2, 14), (14, 2), (0, 5), (6, 0), (40, 61), (500, 400)]


@pytest.mark.parametrize(("only_old", "only_new"), WAYS)
def test_p_is_that_of_the_exact_test(only_old, only_new):
    theirs = mcnemar([[7, only_old], [only_new, 9]], exact=True).pvalue
    assert mcnemar_p(only_old, only_new) == pytest.approx(theirs, rel=1e-9)
    if only_old + only_new:
        binomial = stats.binomtest(only_old, only_old + only_new, 0.5).pvalue
        assert mcnemar_p(only_old, only_new) == pytest.approx(binomial, rel=1e-9)


def test_p_over_arrays_and_of_nothing():
    olds, news = np.transpose(WAYS)
    each = [mcnemar_p(a, b) for a, b in WAYS]
    np.testing.assert_array_equal(mcnemar_p(olds, news), each)
    assert mcnemar_p(0, 0) == 1 and Pairs(0, 0, 0, 5).p == 1
    assert np.isnan(Pairs(0, 0, 0, 0).p)
    for negative in ((-1, 2), (2, -1)):
        with pytest.raises(ValueError, match="^only_old, only_new: .* negative one$"):
            mcnemar_p(*negative)


def test_outcomes_are_counted_where_both_are_known():
    ways = [(1, 1), *[(1, 0)] * 2, *[(0, 1)] * 3, *[(0, 0)] * 4, (None, 1), (1, None), (NAN, NAN)]
    found = pair_outcomes(*zip(*ways, strict=True))
    assert found == Pairs(both=1, only_old=2, only_new=3, neither=4) and found.n == 10


@pytest.mark.parametrize(("old", "new"), [([0, 2], [0, 1]), ([0], [0, 1]), ([[0]], [[0]])])
def test_outcomes_that_are_none_are_refused(old, new):
    with pytest.raises(ValueError, match="^old, new: expected"):
        pair_outcomes(old, new)


def test_five_pairs_can_show_nothing_and_six_can():
    assert RULE.min_pairs == 6 and mcnemar_p(0, 5) > 0.05 > mcnemar_p(0, 6)
    assert ChangeRule(alpha=0.01).min_pairs == 8
    assert ChangeRule(alpha=0.5).min_pairs == 3  # two reach .5 and do not fall under it
    assert RULE.states([Pairs(0, 0, 6, 0)])[0] == ["worse"]
    assert ChangeRule(mcnemar_p(0, 6)).states([Pairs(9, 0, 6, 0)])[0] == ["no_change_shown"]


def test_states_by_the_corrected_p():
    ways = [(2, 14), (14, 2), (2, 9), (3, 3), (0, 5), (0, 0)]
    focused = [Pairs(1, a, b, 0 if a + b == 5 else 30) for a, b in ways[:-1]] + [Pairs(0, 0, 0, 3)]
    focused[4] = Pairs(0, 0, 5, 0)
    states, q = RULE.states(focused)
    assert states == [
        "worse", "better", "no_change_shown", "no_change_shown", "not_comparable", "not_comparable",
    ]  # fmt: skip
    theirs = multipletests([mcnemar_p(a, b) for a, b in ways[:4]], method="fdr_bh")[1]
    np.testing.assert_allclose(q[:4], theirs, rtol=1e-12)
    assert np.isnan(q[4:]).all()


def test_one_class_of_many_needs_more_than_one_alone():
    one = Pairs(0, 1, 9, 20)
    assert RULE.states([one])[0] == ["worse"]
    assert RULE.states([one, *[Pairs(0, 1, 1, 20)] * 9])[0][0] == "no_change_shown"


def test_the_mean_change_is_that_of_the_differences_cluster_by_cluster():
    rng = np.random.default_rng(3)
    old, new, clusters = rng.normal(size=40), rng.normal(0.5, 1, 40), np.arange(40) // 2
    new[7] = old[9] = NAN
    found = mean_change(old, new, clusters, seed=1)
    known = [k for k in range(40) if k not in (7, 9)]
    assert found.value == pytest.approx(np.mean([new[k] - old[k] for k in known])) and found.n == 38
    assert found == clustered_mean((new - old)[known], clusters[known], seed=1)
    assert found.low < found.value < found.high
    assert mean_change(old, new, clusters) == mean_change(old, new, clusters, seed=0) != found
    bare = mean_change([None, 1, 3], [1, None, 5], list("abc"))
    assert (bare.value, bare.n) == (2, 1)


def test_the_same_values_twice_are_no_change_at_all():
    values = np.random.default_rng(0).normal(size=30)
    found = mean_change(values, values, np.arange(30))
    assert (found.value, found.low, found.high) == (0, 0, 0)


# --- in words


def test_what_is_said_of_a_class():
    worse = change_sentence("worse", Pairs(5, 2, 14, 29), 0.0202, RULE)
    assert worse == (
        "14 images are focused on the background that were not before, 2 the other way (McNemar p "
        "= 0.0042, q = 0.02; 50 compared): a real change for the worse."
    )
    chance = change_sentence("no_change_shown", Pairs(0, 0, 1, 29), 1.0, RULE)
    assert chance.startswith(
        "1 image is focused on the background that was not before, 0 the other"
    )
    assert chance.endswith("no difference that chance would not make.")
    overall = change_sentence("better", Pairs(0, 9, 0, 0), NAN, RULE)
    assert ", q" not in overall and overall.endswith("a real change for the better.")
    same = change_sentence("no_change_shown", Pairs(3, 0, 0, 27), 1.0, RULE)
    assert same == "No change: none of the 30 images compared changed its focus."
    few = change_sentence("not_comparable", Pairs(1, 0, 0, 2), NAN, RULE, "they are wrong")
    assert few == (
        "3 images can be compared, fewer than the 6 with which a change could be told from chance; "
        "most of the others do not count because they are wrong."
    )
    why_not = change_sentence("not_comparable", Pairs(1, 0, 0, 2), NAN, RULE)
    assert why_not == few.split(";")[0] + "."


def test_answers_are_told_of_where_they_changed():
    assert answers_sentence(Pairs(9, 3, 3, 0), 0.9, RULE) == ""
    assert answers_sentence(Pairs(0, 0, 0, 0), NAN, RULE) == ""
    assert answers_sentence(Pairs(20, 30, 1, 0), 0.02, RULE) == (
        "The answers changed: 30 images are named wrongly that were right before, 1 the other way "
        "(McNemar q = 0.02)."
    )
    assert "(McNemar p < 0.0001)" in answers_sentence(Pairs(20, 30, 1, 0), NAN, RULE)
    assert "1 image is named wrongly that was" in answers_sentence(Pairs(0, 1, 9, 0), 0.03, RULE)
    assert answers_sentence(Pairs(20, 30, 1, 0), RULE.alpha, RULE) == ""


def test_the_rule_is_said():
    assert "q < 0.05" in rule_sentence(RULE) and "fewer than 6" in rule_sentence(RULE)
