"""Intervals against SciPy, statsmodels, exact enumeration and simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from audit.statistics import (
    clopper_pearson_interval,
    clopper_pearson_upper,
    clustered_mean,
    clustered_rate,
    wilson_interval,
)
from audit.statistics import intervals as module

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

PAIRS = [(k, n) for n in (1, 2, 7, 30, 50, 1000) for k in sorted({0, 1, n // 3, n - 1, n})]
K, N = np.array(PAIRS).T


# --- k of n ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    ("ours", "name"), [(wilson_interval, "wilson"), (clopper_pearson_interval, "beta")]
)
def test_intervals_agree_with_statsmodels(ours, name, confidence):
    low, high = proportion_confint(K, N, alpha=1 - confidence, method=name)
    np.testing.assert_allclose(ours(K, N, confidence), (low, high), atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "name"), [(wilson_interval, "wilson"), (clopper_pearson_interval, "exact")]
)
def test_intervals_agree_with_scipy(ours, name):
    theirs = [stats.binomtest(k, n).proportion_ci(method=name) for k, n in PAIRS]
    np.testing.assert_allclose(np.transpose(ours(K, N)), theirs, atol=1e-12)


def test_clopper_pearson_published_value():
    expected = (0.05819170033997342, 0.26739600249700846)
    assert clopper_pearson_interval(7, 50) == pytest.approx(expected, abs=1e-12)


def test_upper_bound_agrees_with_scipy_one_sided():
    theirs = [stats.binomtest(k, n, alternative="less").proportion_ci().high for k, n in PAIRS]
    np.testing.assert_allclose(clopper_pearson_upper(K, N), theirs, atol=1e-12)


def test_upper_bound_of_no_hits_is_the_rule_of_three():
    assert clopper_pearson_upper(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))


@pytest.mark.parametrize("ours", [wilson_interval, clopper_pearson_interval])
def test_nothing_observed_has_no_interval(ours):
    low, high = ours([0, 3], [0, 10])
    assert np.isnan([low[0], high[0]]).all() and 0 < low[1] < 0.3 < high[1] < 1
    assert np.isnan(clopper_pearson_upper(0, 0))


@pytest.mark.parametrize("ours", [wilson_interval, clopper_pearson_interval])
def test_ends_are_exact_and_scalars_stay_scalars(ours):
    assert ours(0, 9).low == 0.0 and ours(9, 9).high == 1.0
    assert np.ndim(ours(3, 9).low) == 0
    n = np.arange(1, 200)
    assert (ours(0, n).low == 0).all() and (ours(n, n).high == 1).all()


@pytest.mark.parametrize(
    ("k", "n"), [(3, 2), (-1, 5), (1.5, 5), (float("nan"), 5), (None, 5), (1, None), (0, -1)]
)
def test_what_is_no_count_is_refused(k, n):
    with pytest.raises(ValueError, match="^k, n: expected"):
        wilson_interval(k, n)
    with pytest.raises(ValueError, match="^k, n: expected"):
        clopper_pearson_upper(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 5, confidence)
    with pytest.raises(ValueError, match="confidence"):
        clustered_mean([1.0, 2.0], confidence=confidence)


def exact_coverage(limits, n, rates):
    """Probability, at each rate, of the k whose interval holds it."""
    k = np.arange(n + 1)
    low, high = limits(k, n)
    holds = (low <= rates[:, None]) & (rates[:, None] <= high)
    return (stats.binom.pmf(k, n, rates[:, None]) * holds).sum(axis=1)


def test_wilson_coverage_by_enumeration():
    """Over rates of all sizes and n from 10 to 300: in the mean, and at each n, near the .95."""
    rates = np.linspace(0.02, 0.98, 193)
    coverage = [exact_coverage(wilson_interval, n, rates) for n in range(10, 301, 10)]
    assert 0.945 <= np.mean(coverage) <= 0.955
    for each in coverage:
        assert 0.94 <= each.mean() <= 0.96
    assert np.min(coverage) > 0.83  # a single rate can fall this low: why the verdict is exact


def beside(limits):
    """Rates just inside and just outside each limit: between two limits coverage is smooth, and it
    falls where one is crossed, so that its least values lie here."""
    ends = np.unique(limits)
    rates = np.concatenate([ends - 1e-9, ends + 1e-9])
    return rates[(rates > 0) & (rates < 1)]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 30, 59, 100, 200])
def test_clopper_pearson_never_covers_less(n):
    """At the worst rates there are, and it comes near to what it promises."""
    k = np.arange(n + 1)
    two_sided = exact_coverage(clopper_pearson_interval, n, beside(clopper_pearson_interval(k, n)))
    upper = exact_coverage(
        lambda k, n: (0 * k, clopper_pearson_upper(k, n)), n, beside(clopper_pearson_upper(k, n))
    )
    assert two_sided.min() >= 0.95 - 1e-7 and upper.min() == pytest.approx(0.95, abs=1e-6)
    if n >= 30:
        assert two_sided.min() < 0.96 and two_sided.mean() < 0.98


# --- clustered means ------------------------------------------------------------------------------


def test_bca_agrees_with_scipy_on_single_values():
    values = np.random.default_rng(1).exponential(size=40)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="BCa", rng=2
    ).confidence_interval
    ours = clustered_mean(values, seed=3, n_resamples=40_000)
    error = values.std() / np.sqrt(len(values))
    assert ours.method == "bca" and ours.value == values.mean()
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.05 * error)
    plain = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", rng=2)
    assert abs(plain.confidence_interval.high - theirs.high) > 0.1 * error  # it can tell them apart


def test_bca_agrees_with_scipy_on_clusters():
    """A ratio of sums over clusters is a paired statistic of (sum, count)."""
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 6, size=30)
    clusters = np.repeat(np.arange(30), counts)
    values = rng.gamma(0.7, size=30)[clusters] + 0.1 * rng.random(len(clusters))
    sums = np.bincount(clusters, weights=values)

    def ratio(s, c, axis=-1):
        return s.sum(axis=axis) / c.sum(axis=axis)

    theirs = stats.bootstrap(
        (sums, counts), ratio, paired=True, n_resamples=40_000, method="BCa", rng=5
    )
    ours = clustered_mean(values, clusters, n_resamples=40_000)
    assert (ours.n, ours.n_clusters) == (len(values), 30)
    error = theirs.standard_error
    assert (ours.low, ours.high) == pytest.approx(
        tuple(theirs.confidence_interval), abs=0.05 * error
    )


def test_closed_form_jackknife_is_the_slow_one():
    rng = np.random.default_rng(6)
    sums, counts = rng.random(12) ** 3, rng.integers(1, 5, size=12).astype(float)
    left_out = np.array([np.delete(sums, i).sum() / np.delete(counts, i).sum() for i in range(12)])
    skew = ((left_out.mean() - left_out) ** 3).sum()
    spread = ((left_out.mean() - left_out) ** 2).sum()
    assert module._jackknife_acceleration(sums, counts) == pytest.approx(skew / spread**1.5 / 6)


def test_equal_leave_one_out_means_have_no_skewness():
    assert module._jackknife_acceleration(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 0


class Draws:
    """Deals the given clusters in place of random ones."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def integers(self, low, high, size):
        assert (low, high) == (0, 3) and size == self.rows.shape
        return self.rows


@pytest.mark.parametrize(
    ("rows", "below"),
    [
        ([[0, 2, 2], [1, 1, 2], [1, 2, 2], [2, 2, 2]], 0.5 / 4),  # none below: half a resample
        ([[2, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], 1 - 0.5 / 4),
        ([[0, 1, 2], [1, 1, 1], [1, 2, 2], [0, 0, 1]], 2 / 4),  # one below, two ties in half
        ([[0, 1, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2]], 0.5 / 4),
    ],
)
def test_bca_limits_of_given_resamples(rows, below):
    """Sums 0, 1, 2 have no skewness, so the levels are Phi(2 z0 -+ 1.96) (Efron 1987)."""
    low, high = module._bca(np.arange(3.0), np.ones(3), Draws(rows), 0.95, 4)
    levels = stats.norm.cdf(2 * stats.norm.ppf(below) + stats.norm.ppf([0.025, 0.975]))
    assert (low, high) == pytest.approx(np.quantile(np.mean(rows, axis=1), levels), rel=1e-12)


@pytest.mark.parametrize("n_resamples", [1, 5])
def test_every_resample_of_equal_ratios_is_that_ratio(n_resamples):
    sums, counts = np.array([2.0, 6.0, 4.0]), np.array([1.0, 3.0, 2.0])
    ratios = module._resampled_ratios(sums, counts, np.random.default_rng(0), n_resamples)
    np.testing.assert_array_equal(ratios, np.full(n_resamples, 2.0))


def test_one_resample_is_both_limits():
    ours = clustered_mean([0.0, 1.0, 5.0], n_resamples=1)
    assert ours.low == ours.high and 0 <= ours.low <= 5


def test_small_values_are_no_rounding():
    values = np.random.default_rng(16).random(20)
    ours, whole = clustered_mean(values * 1e-13), clustered_mean(values)
    assert ours.method == "bca"
    np.testing.assert_allclose(np.array(ours[:3]) * 1e13, whole[:3], rtol=1e-9)


def test_order_and_names_of_clusters_do_not_matter():
    values = np.random.default_rng(7).random(60)
    numbers = np.arange(60) // 3
    names = np.array([f"image-{i:02d}" for i in numbers], dtype=object)
    turned = np.random.default_rng(8).permutation(60)
    first, second = clustered_mean(values, numbers), clustered_mean(values[turned], names[turned])
    assert first.method == second.method
    np.testing.assert_allclose(first[:5], second[:5], rtol=1e-12)


def test_many_clusters_take_the_normal_interval_and_it_agrees_with_bca():
    values = np.random.default_rng(9).exponential(size=5001)
    normal, bca = clustered_mean(values), clustered_mean(values, max_bootstrap_clusters=5001)
    assert (normal.method, bca.method) == ("normal", "bca") and normal.value == values.mean()
    error = values.std() / np.sqrt(len(values))
    half = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert normal[1:3] == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-12)
    assert bca[1:3] == pytest.approx(normal[1:3], abs=0.1 * error)


def test_the_normal_interval_knows_clusters():
    """Every value twice, in one cluster each, says no more than once."""
    values = np.random.default_rng(10).random(200)
    once = clustered_mean(values, max_bootstrap_clusters=2)
    twice = clustered_mean(np.tile(values, 2), np.tile(np.arange(200), 2), max_bootstrap_clusters=2)
    assert twice.n == 400 and twice.n_clusters == 200
    assert twice[1:3] == pytest.approx(once[1:3])


def test_doubled_records_do_not_narrow_the_bootstrap():
    values = np.random.default_rng(11).random(50)
    once, twice = clustered_mean(values), clustered_mean(np.repeat(values, 2), np.arange(100) // 2)
    assert twice[1:3] == pytest.approx(once[1:3], rel=1e-9)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    values = np.random.default_rng(12).random(37)
    whole = clustered_mean(values, seed=1)
    monkeypatch.setattr(module, "_CHUNK", 100)
    assert clustered_mean(values, seed=1) == whole
    assert clustered_mean(values, seed=2) != whole


def test_not_observed_is_not_zero():
    values = np.array([0.2, np.nan, 0.6, np.nan, 1.0])
    clusters = np.array(["a", "a", "b", "c", "d"])
    ours = clustered_mean(values, clusters)
    assert ours == clustered_mean(values[[0, 2, 4]], clusters[[0, 2, 4]])
    assert (ours.value, ours.n, ours.n_clusters) == (pytest.approx(0.6), 3, 3)
    assert clustered_mean([0.25, None, 0.75])[3:5] == clustered_rate([1, None, 0])[3:5] == (2, 2)


@pytest.mark.parametrize("ours", [clustered_mean, clustered_rate])
def test_too_little_for_an_interval(ours):
    empty, gone, one = ours([]), ours([np.nan, np.nan]), ours([1.0, 1.0], ["a", "a"])
    assert (
        empty[3:5] == gone[3:5] == (0, 0) and np.isnan(empty[:3]).all() and np.isnan(gone[:3]).all()
    )
    assert one.value == 1 and np.isnan(one[1:3]).all() and (one.n, one.n_clusters) == (2, 1)
    assert {empty.method, gone.method, one.method} == {"none"}


@pytest.mark.parametrize("value", [0.1, 0.0, 1e8 / 3])
def test_equal_values_have_a_degenerate_interval(value):
    ours = clustered_mean(np.full(33, value), np.arange(33) // 2)
    assert (ours.n, ours.n_clusters, ours.method) == (33, 17, "degenerate")
    assert ours.low == ours.high == ours.value
    assert ours.value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("values", [[0, 1], [0, 0, 0, 1], [0] * 200 + [1], [1] * 200 + [0]])
def test_hard_little_samples_stay_in_range(values):
    ours = clustered_mean(values)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1 and ours.low < ours.high


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="^values: .* infinite one$"):
        clustered_mean([1.0, np.inf])
    with pytest.raises(ValueError, match="one dimension"):
        clustered_mean([[1.0, 2.0]])
    with pytest.raises(ValueError, match="clusters"):
        clustered_mean([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="n_resamples"):
        clustered_mean([1.0, 2.0], n_resamples=0)
    with pytest.raises(ValueError, match="^hits: expected 0, 1 or NaN$"):
        clustered_rate([0.5, 1.0])


def test_bca_holds_its_level_on_skewed_clusters():
    rng = np.random.default_rng(13)
    held = []
    for _ in range(400):
        clusters = np.repeat(np.arange(50), rng.integers(1, 4, size=50))
        values = rng.beta(1, 3, size=50)[clusters] + rng.normal(0, 0.05, len(clusters))
        ours = clustered_mean(values, clusters, seed=rng, n_resamples=600)
        held.append(ours.low <= 0.25 <= ours.high)
    assert 0.91 <= np.mean(held) <= 0.98


# --- clustered rates ------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 40), (1, 40), (27, 40), (40, 40)])
def test_one_record_an_image_gives_the_wilson_interval(k, n):
    ours = clustered_rate([1] * k + [0] * (n - k))
    assert ours.value == k / n and ours.method == "wilson_clustered"
    assert ours[1:3] == pytest.approx(wilson_interval(k, n), abs=1e-12)


def test_design_effect_is_the_hand_computed_one():
    """Clusters (2 of 2), (0 of 2), and the two added: rate 1/2, residuals all +-1, n = 8.

    Clustered: 4/3 * 4 / 64 = 1/12; independent: (1/4) / 7 = 1/28; the ratio is 7/3.
    """
    effect = module._smoothed_design_effect(np.array([2.0, 0.0]), np.array([2.0, 2.0]))
    assert effect == pytest.approx(7 / 3)


def test_few_clusters_widen_by_their_t_quantile():
    """4 records in 2 images, 2 hits: n = 4 / (7/3), by t of 3 degrees over t of 1."""
    n = 4 / (7 / 3) * (3.182446305 / 12.706204736) ** 2
    low, high = proportion_confint(n / 2, n, method="wilson")
    ours = clustered_rate([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert ours[:3] == pytest.approx((0.5, low, high), rel=1e-6)


def test_copies_of_a_record_barely_narrow_the_rate():
    hits = np.random.default_rng(14).random(100) < 0.3
    once = clustered_rate(hits)
    copied = clustered_rate(np.repeat(hits, 4), np.repeat(np.arange(100), 4))
    width = (copied.high - copied.low) / (once.high - once.low)
    assert 0.97 < width < 1.05


def test_no_hits_still_leave_an_upper_limit_that_knows_clusters():
    clusters = np.repeat(np.arange(25), 4)
    ours = clustered_rate(np.zeros(100), clusters)
    assert ours.low == 0 and wilson_interval(0, 100).high < ours.high
    assert ours.high == pytest.approx(wilson_interval(0, 25).high, rel=0.25)


def simulated_records(rng, n_images, rate, correlation):
    """Images of 1-5 records whose hits are beta-binomial with this intra-class correlation."""
    counts = rng.integers(1, 6, size=n_images)
    if correlation == 1:
        of_image = (rng.random(n_images) < rate).astype(float)
    else:
        weight = (1 - correlation) / correlation
        of_image = rng.beta(rate * weight, (1 - rate) * weight, size=n_images)
    clusters = np.repeat(np.arange(n_images), counts)
    return rng.random(len(clusters)) < of_image[clusters], clusters


@pytest.mark.parametrize("correlation", [0.01, 0.3, 1])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_clustered_rate_holds_its_level(rate, correlation):
    rng = np.random.default_rng(15)
    held, naive = [], []
    for _ in range(400):
        hits, clusters = simulated_records(rng, 60, rate, correlation)
        ours, plain = clustered_rate(hits, clusters), wilson_interval(hits.sum(), len(hits))
        held.append(ours.low <= rate <= ours.high)
        naive.append(plain.low <= rate <= plain.high)
    assert 0.92 <= np.mean(held) <= 0.995
    if correlation == 1:
        assert np.mean(naive) < 0.85  # what not clustering would have claimed
