"""The rule on what a map keeps, against a reading of it with loops, and at its edges."""

import math

import numpy as np
import pytest

from audit.statistics import clustered_mean
from audit.statistics.fitness import ALIKE, FitnessRule, judge_fitness, kept_by_record

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

RNG = np.random.default_rng(0)


def slow_kept(rho, chance, flat):
    found = []
    for record in range(len(rho[0])):
        values = []
        for step in range(len(rho)):
            if flat[step][record]:
                values.append(0.0)
            elif not math.isnan(rho[step][record]):
                base = 0.0 if math.isnan(chance[step]) else chance[step]
                values.append((rho[step][record] - base) / (1 - base))
        found.append(sum(values) / len(values) if values else math.nan)
    return found


def test_kept_by_record_against_loops():
    rho = RNG.uniform(-1, 1, (5, 12))
    rho[RNG.random(rho.shape) < 0.3] = np.nan
    rho[:, 4] = np.nan
    flat = np.isnan(rho) & (RNG.random(rho.shape) < 0.5)
    flat[:, 4] = False
    chance = np.array([0.3, -0.1, 0.0, np.nan, 0.6])
    found = kept_by_record(rho, chance, flat)
    np.testing.assert_allclose(found, slow_kept(rho, chance, flat), rtol=1e-12)
    assert np.isnan(found[4]) and np.isnan(found).sum() == 1


def test_none_is_not_observed_and_warns_of_nothing():
    with np.errstate(all="raise"):
        found = kept_by_record([[0.5, None]], [None], [[False, False]])
    np.testing.assert_array_equal(found, [0.5, np.nan])


def judged(kept, between=0.3, n=20, chance=0.0, flat=False, **rule):
    rho = np.full((3, n), float(kept)) + RNG.normal(0, 0.01, (3, n))
    return judge_fitness(
        rho, [chance] * 3, np.full((3, n), flat), between, np.arange(n), rule=FitnessRule(**rule)
    )


@pytest.mark.parametrize(
    ("kept", "fit"), [(0.0, True), (0.45, True), (0.55, False), (1.0, False), (-0.4, True)]
)
def test_what_is_kept_decides(kept, fit):
    found = judged(kept)
    assert found.fit is fit and found.kept.low <= found.kept.value <= found.kept.high
    assert f"{round(found.kept.value, 2) + 0.0:.2f}" in found.reason


@pytest.mark.parametrize(
    ("kept", "told"), [(0.25, "0.25 (0.25 to 0.25)"), (-0.001, "0.00 (0.00 to 0.00)")]
)
def test_the_sentence_has_mean_and_limits_without_a_minus_before_zero(kept, told):
    found = judge_fitness(np.full((2, 9), kept), [0.0, 0.0], np.zeros((2, 9), bool), 0.3)
    assert found.between_images == 0.3 and found.reason == (
        f"it keeps {told} of its map while the model's weights are redrawn, at most 0.5: it shows "
        "what the model has learned."
    )


def test_on_each_limit_the_method_is_fit():
    half = judge_fitness(np.full((1, 9), 0.5), [0.0], np.zeros((1, 9), bool), ALIKE)
    assert half.kept.low == half.kept.high == 0.5 and half.fit is True
    assert kept_by_record([[ALIKE]], [ALIKE], [[False]]) == 0


def test_the_interval_is_seeded():
    rho = RNG.uniform(0, 1, (1, 20))
    rest = ([0.0], np.zeros((1, 20), bool), 0.3)
    assert judge_fitness(rho, *rest).kept == clustered_mean(rho[0], seed=0)
    assert judge_fitness(rho, *rest, seed=3).kept == clustered_mean(rho[0], seed=3)


def test_a_wide_interval_is_not_known():
    rho = np.tile(np.resize([0.0, 1.0], 20), (3, 1))
    found = judge_fitness(rho, [0.0] * 3, np.zeros((3, 20), bool), 0.3)
    assert found.fit is None and "20 records cannot tell" in found.reason


def test_what_other_images_reach_is_not_kept():
    assert judged(0.6, chance=0.6).fit is True
    assert judged(0.9, chance=0.6).fit is False


def test_flat_maps_keep_nothing_and_unknown_ones_tell_nothing():
    assert judged(np.nan, flat=True).kept.value == 0
    found = judged(np.nan)
    assert found.fit is None and "only 0 records" in found.reason and np.isnan(found.kept.value)


def test_few_records_tell_nothing():
    assert judged(1.0, n=7).fit is None and judged(1.0, n=8).fit is False
    assert judged(1.0, n=8, min_records=9).fit is None


def test_maps_that_are_alike_whatever_the_image_are_unfit():
    assert judged(0.0, between=ALIKE + 0.01).fit is False
    assert "different images are alike" in judged(0.0, between=1.0).reason
    # The same map always: what lies beyond the other images' would be 0 / 0.
    assert judged(1.0, between=0.9, chance=1.0).fit is False


def test_clusters_are_resampled_whole():
    rho = np.repeat(RNG.uniform(0, 0.8, (1, 10)), 4, axis=1)
    alone = judge_fitness(rho, [0.0], np.zeros((1, 40), bool), 0.3)
    together = judge_fitness(rho, [0.0], np.zeros((1, 40), bool), 0.3, np.repeat(np.arange(10), 4))
    width = [f.kept.high - f.kept.low for f in (alone, together)]
    assert width[1] > 1.5 * width[0]
