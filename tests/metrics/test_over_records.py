"""Metrics of a set of records against the papers' definitions, threshold by threshold."""

import numpy as np
import pytest

from audit.metrics.over_records import (
    best_threshold,
    max_box_acc,
    pixel_average_precision,
    recall_hits,
    rejection_threshold,
)

NAN = float("nan")


def test_max_box_acc_takes_one_threshold_for_all_records():
    sweep = np.array([[0.8, 0.1, 0.4], [0.1, 0.6, 0.5], [0.2, 0.75, 0.3], [NAN, NAN, NAN]])
    found = max_box_acc(sweep)
    # .3: third threshold finds all three; .5 and .7: the second finds two, and one (so does the first).
    assert found.values == pytest.approx([1, 2 / 3, 1 / 3])
    assert list(found.places) == [2, 1, 0]
    assert found.v2 == pytest.approx(2 / 3)


def test_the_best_threshold_is_that_of_the_mean_and_the_lowest_of_equals():
    assert best_threshold(np.array([[0.1, 0.5, 0.3], [0.4, 0.2, 0.4], [NAN, NAN, NAN]])) == 1
    assert best_threshold(np.array([[0.1, 0.5, 0.9], [0.4, 0.2, 0.4]])) == 2
    assert best_threshold(np.array([[0.2, 0.2]])) == 0


def test_nothing_observed():
    empty, unseen = np.zeros((0, 3)), np.full((2, 3), NAN)
    for sweep in (empty, unseen):
        assert max_box_acc(sweep) is None and best_threshold(sweep) is None
        assert pixel_average_precision(sweep, sweep) is None
    assert rejection_threshold(np.zeros(0), np.zeros(0)) is None


@pytest.mark.parametrize("seed", range(4))
def test_pxap_is_the_area_under_precision_and_recall_of_all_pixels(seed):
    """Choe et al. 2020, equation 2: sum of PxPrec(t_l) (PxRec(t_l) - PxRec(t_l-1))."""
    rng = np.random.default_rng(seed)
    steps, maps, masks = 10, [], []
    for _ in range(3):  # of one size, so that each record's share is its pixels'
        mask = rng.random(50) < 0.4
        maps.append(np.minimum((rng.random(50) * 6 + 4 * mask).astype(int), 9))
        masks.append(mask)
    pairs = list(zip(maps, masks, strict=True))
    inside = np.array([np.bincount(a[m], minlength=steps) / 50 for a, m in pairs])
    outside = np.array([np.bincount(a[~m], minlength=steps) / 50 for a, m in pairs])
    values, truth = np.concatenate(maps), np.concatenate(masks)
    area, before = 0.0, 0.0
    for t in range(steps - 1, -1, -1):
        kept = values >= t
        precision = (kept & truth).sum() / kept.sum() if kept.any() else 0
        recall = (kept & truth).sum() / truth.sum()
        area += precision * (recall - before)
        before = recall
    assert pixel_average_precision(inside, outside) == pytest.approx(area)
    gone = np.full((1, steps), NAN)
    more = [np.concatenate((counts, gone)) for counts in (inside, outside)]
    assert pixel_average_precision(*more) == pytest.approx(area)


def test_a_perfect_and_an_even_map():
    inside, outside = np.zeros((2, 1, 4))
    inside[0, 3], outside[0, 0] = 0.2, 0.8
    assert pixel_average_precision(inside, outside) == 1
    inside[:], outside[:] = [[0.2, 0, 0, 0]], [[0.8, 0, 0, 0]]
    assert pixel_average_precision(inside, outside) == pytest.approx(0.2)


def test_stored_levels_are_added_up_in_float64():
    inside, outside = np.float32([[1], [2**-25]]), np.float32([[1], [0]])
    assert pixel_average_precision(inside, outside) == (1 + 2**-25) / (2 + 2**-25) > 0.5


def test_one_record_is_kept_or_rejected():
    assert rejection_threshold(np.array([0.5]), np.array([1.0])) == 0
    assert rejection_threshold(np.array([0.5]), np.array([NAN])) == np.nextafter(0.5, 1)


def test_rejecting_an_absent_class_is_right_and_a_present_one_wrong():
    maxima, hits = np.array([3.0, 3, 1, 1, 2, 2]), np.array([1, 0, 1, 0, NAN, NAN])
    assert list(recall_hits(maxima, hits, 2.0)) == [1, 0, 0, 0, 0, 0]
    assert list(recall_hits(maxima, hits, 2.5)) == [1, 0, 0, 0, 1, 1]
    assert list(recall_hits(maxima, hits, 0.0)) == [1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_the_rejection_threshold_is_the_best_there_is(seed):
    rng = np.random.default_rng(seed)
    maxima = rng.integers(0, 6, 12).astype(float)
    hits = rng.choice([1.0, 0.0, NAN], 12)
    found = rejection_threshold(maxima, hits)
    every = np.arange(-0.5, 7, 0.25)
    best = max(recall_hits(maxima, hits, t).sum() for t in every)
    assert recall_hits(maxima, hits, found).sum() == best
    lower = every[(every >= 0) & (every < found)]
    apart = [t for t in lower if ((maxima >= t) != (maxima >= found)).any()]
    assert all(recall_hits(maxima, hits, t).sum() < best for t in apart)
