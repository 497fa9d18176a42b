"""The class verdict: its cases, its sentences, and how often it errs."""

import math

import numpy as np
import pytest
from scipy import stats

from audit.statistics import (
    ClassEvidence,
    VerdictRule,
    class_p_values,
    class_q_values,
    class_verdict,
    class_verdicts,
)
from audit.statistics.verdict import told_p

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def evidence(k, n, shuffled=0.8, p=0.0005):
    return ClassEvidence(
        n_eligible=n, n_background_focused=k, shuffled_rate=shuffled, permutation_p=p
    )


# Nine classes of ImageNet MobileNetV2. The first five and the 1 of 19 are metrics.md's; it has a
# class with large boxes that is inconclusive (here 12 of 40), and the others filled up. Six have
# enough records: six times the p of 27/40 is the 7e-6 that is stated there.
NINE = [(27, 40), (1, 74), (4, 82), (1, 101), (1, 82), (12, 40), (1, 19), (2, 25), (0, 12)]


def one(k, n, **known):
    return class_verdicts([evidence(k, n, **known)])[0]


def test_the_shortcut_class_is_flagged_among_nine():
    verdicts = class_verdicts([evidence(k, n) for k, n in NINE])
    flagged = verdicts[0]
    assert flagged.verdict == "flagged"
    assert flagged.q_value == pytest.approx(7e-6, abs=0.5e-6)
    assert flagged.q_value == pytest.approx(6 * stats.binom.sf(26, 40, 0.3))
    assert [v.verdict for v in verdicts[1:5]] == ["pass"] * 4
    assert [v.verdict for v in verdicts[5:]] == ["inconclusive"] + ["insufficient"] * 3


def test_a_low_rate_passes_only_where_maps_follow_their_image():
    assert one(1, 74, p=0.0005).verdict == "pass"
    assert one(1, 74, p=0.05).verdict == "pass"
    for p in (0.051, 0.6, None, math.nan):
        assert one(1, 74, p=p).verdict == "inconclusive"


def test_a_high_rate_is_flagged_only_beside_the_shuffled_one():
    assert one(20, 40, shuffled=1.0).verdict == "flagged"  # half of it exactly
    assert one(19, 40, shuffled=1.0).verdict == "inconclusive"
    assert one(27, 40, shuffled=0.0).verdict == "flagged"
    for shuffled in (None, math.nan):
        assert one(27, 40, shuffled=shuffled).verdict == "inconclusive"
    assert one(27, 40, p=None).verdict == "flagged"  # not needed for it


@pytest.mark.parametrize(("k", "n"), [(29, 29), (0, 29), (0, 0)])
def test_few_records_are_insufficient_whatever_they_say(k, n):
    ours = one(k, n)
    assert ours.verdict == "insufficient"
    assert math.isnan(ours.p_value) and math.isnan(ours.q_value)
    assert ours.reason == f"Too few images to judge by: {n} of the 30 that are needed."
    assert math.isnan(ours.upper_bound) == math.isnan(ours.rate) == (n == 0)


def test_rare_classes_do_not_hide_a_bad_one():
    """With 501 classes in the family, 17 of 30 (p .002) would need p <= .0001."""
    alone = one(17, 30)
    among = class_verdicts([evidence(17, 30)] + [evidence(3, 10)] * 500)
    assert among[0] == alone and alone.verdict == "flagged"
    assert {v.verdict for v in among[1:]} == {"insufficient"}
    crowded = class_verdicts([evidence(17, 30)] + [evidence(9, 30)] * 500)
    assert crowded[0].verdict == "inconclusive"


def test_two_steps_are_the_one_step():
    classes = [evidence(k, n) for k, n in NINE] + [evidence(5, 10)]
    p = class_p_values(classes)
    q = class_q_values(p)
    np.testing.assert_array_equal(np.isnan(p), [False] * 6 + [True] * 4)
    np.testing.assert_array_equal(np.isnan(q), np.isnan(p))
    assert p[0] == pytest.approx(stats.binom.sf(26, 40, 0.3))
    steps = [class_verdict(*row) for row in zip(classes, p, q, strict=True)]
    for step, whole in zip(steps, class_verdicts(classes), strict=True):
        assert (step.verdict, step.reason) == (whole.verdict, whole.reason)
    with pytest.raises(ValueError, match="^p_value, q_value: expected"):
        class_verdict(classes[0], p[0], math.nan)


def test_the_rule_moves_the_verdict():
    assert class_verdicts([evidence(5, 20)], VerdictRule(min_eligible=20))[0].verdict != (
        "insufficient"
    )
    assert class_verdicts([evidence(27, 40)], VerdictRule(max_rate=0.6))[0].verdict == (
        "inconclusive"
    )
    assert class_verdicts([evidence(27, 40)], VerdictRule(max_rate=0.9))[0].verdict == "pass"
    assert class_verdicts([evidence(18, 40)], VerdictRule(alpha=0.01))[0].verdict == "inconclusive"
    assert one(18, 40).verdict == "flagged"
    for alpha in (0.05, 0.01):
        bounded = class_verdicts([evidence(5, 20)], VerdictRule(alpha=alpha))[0].upper_bound
        assert stats.binom.cdf(5, 20, bounded) == pytest.approx(alpha)
    lenient = VerdictRule(min_eligible=1, shuffled_share=0)
    assert class_verdicts([evidence(27, 40, shuffled=1.0)], lenient)[0].verdict == "flagged"
    strict = VerdictRule(shuffled_share=1.0)
    assert class_verdicts([evidence(27, 40, shuffled=0.7)], strict)[0].verdict == "inconclusive"


def test_on_each_limit():
    """q = alpha is enough to flag; a bound that only reaches the tolerated rate does not pass."""
    bad, clean = evidence(27, 40), evidence(1, 74)
    assert class_verdict(bad, 0.01, 0.05).verdict == "flagged"
    bound = class_verdict(clean, 1.0, 1.0).upper_bound
    assert class_verdict(clean, 1.0, 1.0).verdict == "pass"
    assert class_verdict(clean, 1.0, 1.0, VerdictRule(max_rate=bound)).verdict == "inconclusive"


def test_a_small_p_is_told_by_its_limit():
    assert (told_p(1e-4), told_p(9.9e-5)) == ("= 0.0001", "< 0.0001")


def test_too_few_are_told_with_the_main_reason_of_the_others():
    left_out = {"of the boxes": 2, "he errs": 5, "it is late": 5}
    few = ClassEvidence(n_eligible=3, n_background_focused=0, left_out=left_out)
    assert class_verdicts([few])[0].reason == (
        "Too few images to judge by: 3 of the 30 that are needed; others do not count, 5 of 12 "
        "because he errs."
    )


def test_benjamini_yekutieli_on_request():
    classes = [evidence(20, 40)] + [evidence(12, 40)] * 9
    assert class_verdicts(classes)[0].verdict == "inconclusive"
    classes = [evidence(21, 40)] + [evidence(12, 40)] * 9
    assert class_verdicts(classes)[0].verdict == "flagged"
    by = class_verdicts(classes, VerdictRule(correction="by"))[0]
    assert by.verdict == "inconclusive"
    harmonic = sum(1 / i for i in range(1, 11))
    assert by.q_value == pytest.approx(class_verdicts(classes)[0].q_value * harmonic)


@pytest.mark.parametrize(
    "bad",
    [
        {"min_eligible": 0},
        {"max_rate": 0.0},
        {"max_rate": 30},
        {"alpha": 1.0},
        {"correction": "holm"},
        {"shuffled_share": -0.1},
        {"shuffled_share": math.nan},
    ],
)
def test_a_rule_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        VerdictRule(**bad)


def test_impossible_evidence_is_refused():
    with pytest.raises(ValueError, match="n_background_focused"):
        evidence(41, 40)


OBSERVED = {
    "pass": (
        (1, 74, {}),
        "In 1 of 74 images (1.4 %) the heatmap lies on the background; with 95 % confidence the true "
        "rate is at most 6.3 %, within the 30 % tolerated, and the heatmaps fit their own images "
        "better than other images of the class (dealt out at random among these images, they would "
        "fit as well with a probability of p = 0.0005).",
    ),
    "own maps no better": (
        (1, 74, {"p": 0.6}),
        "In 1 of 74 images (1.4 %) the heatmap lies on the background; with 95 % confidence the true "
        "rate is at most 6.3 %, within the 30 % tolerated, but the heatmaps fit other images of the "
        "class as well as their own (dealt out at random among these images, they would fit as well "
        "with a probability of p = 0.6), so that a low rate cannot clear the class.",
    ),
    "own maps not tested": (
        (1, 74, {"p": math.nan}),
        "In 1 of 74 images (1.4 %) the heatmap lies on the background; with 95 % confidence the true "
        "rate is at most 6.3 %, within the 30 % tolerated, but whether the heatmaps follow their own "
        "image was not tested.",
    ),
    "between": (
        (12, 40, {}),
        "In 12 of 40 images (30 %) the heatmap lies on the background, which settles nothing: with "
        "95 % confidence the true rate may be as high as 44 %, and more than the 30 % tolerated is "
        "not shown either (if 30 % were true, so many would be seen with a probability of q = 0.56, "
        "corrected for the number of classes).",
    ),
    "flagged": (
        (27, 40, {"shuffled": 0.8}),
        "In 27 of 40 images (67.5 %) the heatmap lies on the background, more than the 30 % tolerated "
        "and more than chance explains (if 30 % were true, so many would be seen with a probability "
        "of q < 0.0001, corrected for the number of classes); heatmaps of other images of the class "
        "would do so in 80 %.",
    ),
    "others more often": (
        (19, 40, {"shuffled": 1.0}),
        "In 19 of 40 images (47.5 %) the heatmap lies on the background, more than the 30 % tolerated "
        "and more than chance explains (if 30 % were true, so many would be seen with a probability "
        "of q = 0.015, corrected for the number of classes), yet heatmaps of other images of the "
        "class would do so in 100 %: those of these images do follow the object.",
    ),
    "no others": (
        (27, 40, {"shuffled": None}),
        "In 27 of 40 images (67.5 %) the heatmap lies on the background, more than the 30 % tolerated "
        "and more than chance explains (if 30 % were true, so many would be seen with a probability "
        "of q < 0.0001, corrected for the number of classes), but there are no heatmaps of other "
        "images of the class to hold it against.",
    ),
}


@pytest.mark.parametrize(("observed", "sentence"), OBSERVED.values(), ids=OBSERVED)
def test_the_sentence_has_the_figures(observed, sentence):
    k, n, known = observed
    assert one(k, n, **known).reason == sentence


# --- how often it errs ----------------------------------------------------------------------------


def probability(n, rate, verdict, others=0):
    """Exact probability of a verdict on a class beside ``others`` without a single miss.

    Its own maps beat shuffled ones, of which .8 are background-focused.
    """
    k = np.arange(n + 1)
    beside = [evidence(0, n)] * others
    given = [class_verdicts([evidence(int(i), n), *beside])[0].verdict == verdict for i in k]
    return float(stats.binom.pmf(k, n, rate)[given].sum())


def test_a_clean_class_is_hardly_ever_flagged():
    assert probability(30, 0.20, "flagged") < 0.001


def test_power_is_as_stated():
    """metrics.md's .96 and .999 are those of the one bad class among ten (p <= .005)."""
    assert probability(30, 0.7, "flagged", others=9) == pytest.approx(0.96, abs=0.0005)
    assert probability(50, 0.7, "flagged", others=9) == pytest.approx(0.999, abs=0.0005)
    assert probability(30, 0.7, "flagged") == pytest.approx(0.998, abs=0.0005)


@pytest.mark.parametrize("n", [30, 50, 200])
def test_neither_claim_is_wrong_more_often_than_alpha_at_the_margin(n):
    assert probability(n, 0.3, "flagged") <= 0.05
    assert probability(n, 0.3, "pass") <= 0.05


def test_a_family_at_the_margin_has_a_false_flag_in_at_most_alpha():
    """2,000 audits of ten classes, each exactly at the tolerated rate, of many sizes."""
    rng = np.random.default_rng(20)
    n = rng.integers(30, 200, size=(2000, 10))
    k = rng.binomial(n, 0.30)
    audits = 0
    for counts, totals in zip(k, n, strict=True):
        classes = [evidence(int(a), int(b)) for a, b in zip(counts, totals, strict=True)]
        q = class_q_values(class_p_values(classes))
        audits += bool((q <= 0.05).any())
    assert 0 < audits <= 0.05 * 2000
