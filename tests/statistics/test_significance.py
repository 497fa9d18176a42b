"""Tests of hypotheses against SciPy, statsmodels and full enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from audit.statistics import binomial_excess_p, false_discovery_q, permutation_p
from audit.statistics import significance as module

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.mark.parametrize("margin", [0.1, 0.3, 0.9])
def test_binomial_p_agrees_with_scipy(margin):
    pairs = [(k, n) for n in (1, 30, 74) for k in range(0, n + 1, max(1, n // 7))]
    theirs = [stats.binomtest(k, n, margin, alternative="greater").pvalue for k, n in pairs]
    np.testing.assert_allclose(binomial_excess_p(*np.transpose(pairs), margin), theirs, rtol=1e-9)


def test_binomial_p_by_hand():
    assert binomial_excess_p(2, 2, 0.3) == pytest.approx(0.09)
    assert binomial_excess_p(0, 2, 0.3) == 1
    assert np.isnan(binomial_excess_p(0, 0, 0.3))


@pytest.mark.parametrize(("k", "n", "margin"), [(3, 2, 0.3), (-1, 2, 0.3), (1, 2, 0.0), (1, 2, 1)])
def test_binomial_p_refuses(k, n, margin):
    with pytest.raises(ValueError, match="^(k, n|max_rate): expected"):
        binomial_excess_p(k, n, margin)


@pytest.mark.parametrize("correction", ["bh", "by"])
def test_q_agrees_with_statsmodels_and_skips_untested(correction):
    p = np.array([0.9, np.nan, 0.001, 0.02, 0.02, 1.0, np.nan, 0.04, 0.0])
    tested = ~np.isnan(p)
    q = false_discovery_q(p, correction)
    theirs = multipletests(p[tested], method=f"fdr_{correction}")[1]
    np.testing.assert_allclose(q[tested], theirs, rtol=1e-12)
    assert np.isnan(q[~tested]).all()


def test_q_by_hand():
    np.testing.assert_allclose(false_discovery_q([0.01, 0.04, 0.03]), [0.03, 0.04, 0.04])
    np.testing.assert_allclose(false_discovery_q([0.01, 0.5], "by"), [0.03, 0.75])


def test_q_of_nothing():
    assert np.isnan(false_discovery_q([np.nan, None])).all()
    assert false_discovery_q([]).shape == (0,)


def test_q_refuses():
    with pytest.raises(ValueError, match="'bonferroni'"):
        false_discovery_q([0.1], "bonferroni")
    with pytest.raises(ValueError, match="one dimension"):
        false_discovery_q([[0.1]])
    for p in (1.1, -0.1):
        with pytest.raises(ValueError, match="^p: expected probabilities, 0 to 1$"):
            false_discovery_q([p])


def test_permutation_p_converges_to_enumeration():
    skill = np.random.default_rng(0).random((6, 6)) + 0.15 * np.eye(6)
    deals = np.array(list(itertools.permutations(range(6))))
    means = skill[deals, np.arange(6)].mean(axis=1)
    exact = (means >= np.diagonal(skill).mean() - 1e-12).mean()
    assert 0.02 < exact < 0.6
    assert permutation_p(skill, n_permutations=40_000) == pytest.approx(exact, abs=0.01)


def test_permutation_p_of_maps_that_follow_their_image():
    skill = np.full((30, 30), 0.2) + 0.5 * np.eye(30)
    assert permutation_p(skill) == 1 / 2000
    assert permutation_p(skill, n_permutations=99) == 1 / 100


def test_permutation_p_is_one_where_maps_are_worst_or_alike():
    assert permutation_p(np.full((30, 30), 0.2) - 0.5 * np.eye(30)) == 1
    images = np.random.default_rng(1).random(40)
    assert permutation_p(np.tile(images, (40, 1))) == 1  # one map for all: every deal is a tie
    assert permutation_p(np.tile(images, (40, 1)).T) == 1  # also where the sum's order differs


def test_a_pair_is_not_enough_to_be_surprised():
    assert 0.4 < permutation_p(np.eye(2)) < 0.6
    assert permutation_p(np.eye(2), n_permutations=1) in (0.5, 1.0)
    assert np.isnan(permutation_p([[None, 1.0], [1.0, 1.0]]))
    assert np.isnan(permutation_p(np.eye(1))) and np.isnan(permutation_p(np.empty((0, 0))))


def test_records_without_own_skill_leave():
    rng = np.random.default_rng(2)
    skill = rng.random((12, 12)) + 0.1 * np.eye(12)
    wide = np.insert(np.insert(skill, 4, 9.0, axis=0), 4, 9.0, axis=1)
    wide[4, 4] = np.nan
    assert permutation_p(wide, seed=3) == permutation_p(skill, seed=3)
    assert np.isnan(permutation_p(np.diag([np.nan, 1.0])))


def test_scattered_nan_is_left_out_of_the_mean():
    skill = np.full((3, 3), np.nan)
    np.fill_diagonal(skill, [0.5, 0.5, 0.5])
    skill[0, 1] = 0.9
    means = []
    for deal in itertools.permutations(range(3)):
        met = [skill[j, i] for i, j in enumerate(deal) if not np.isnan(skill[j, i])]
        means.append(np.mean(met) if met else np.inf)
    exact = np.mean(np.array(means) >= 0.5)
    assert permutation_p(skill, n_permutations=20_000) == pytest.approx(exact, abs=0.01)
    skill[0, 1] = 0.1
    # Now the swap of 0 and 1 and one cycle, which meet the .1, are worse than the true deal.
    assert permutation_p(skill, n_permutations=20_000) == pytest.approx(4 / 6, abs=0.01)


def test_what_belongs_to_an_image_or_a_map_alone_moves_nothing():
    by_image = np.tile(np.arange(5.0), (5, 1))
    assert permutation_p(by_image) == permutation_p(by_image.T) == 1
    skill = np.eye(5)[[1, 2, 3, 4, 0]]
    assert permutation_p(skill) > 0.5 and permutation_p(np.eye(5)) < 0.05


def test_permutation_p_is_seeded_and_chunked(monkeypatch):
    skill = np.random.default_rng(3).random((20, 20)) + 0.1 * np.eye(20)
    whole = permutation_p(skill, seed=5)
    assert whole == permutation_p(skill, seed=5)
    assert permutation_p(skill) == permutation_p(skill, seed=0)
    assert len({permutation_p(skill, seed=s) for s in range(6)}) > 1
    monkeypatch.setattr(module, "_CHUNK", 64)
    assert permutation_p(skill, seed=5) == whole


def test_permutation_p_is_level_under_the_null():
    rng = np.random.default_rng(4)
    p = np.array(
        [permutation_p(rng.random((15, 15)), n_permutations=199, seed=rng) for _ in range(1000)]
    )
    assert abs(np.mean(p <= 0.05) - 0.05) < 0.02
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_permutation_p_refuses():
    with pytest.raises(ValueError, match="square"):
        permutation_p(np.ones((2, 3)))
    with pytest.raises(ValueError, match="n_permutations"):
        permutation_p(np.eye(3), n_permutations=0)
