"""The shuffled baselines against loops written from their definition."""

import math

import numpy as np
import pytest

from audit.statistics import (
    ClassMaps,
    energy_skill,
    lay,
    permutation_p,
    shuffled_baselines,
    shuffled_rate,
    skill_matrix,
)
from audit.statistics import laid as module

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def random_maps(n, seed=0, cells=12):
    """Crops, letterboxes and whole views; 0 to 3 boxes; a map without energy; a large object."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(40, 200, size=(n, 2)).astype(float)
    views = np.concatenate([np.zeros((n, 2)), sizes], axis=1)
    views[1::3] += [10, 0, -10, 0]
    views[2::3] += [-25, 0, 25, 0]
    boxes = []
    for size in sizes:
        corner = rng.random((rng.integers(0, 4), 2)) * size * 0.7
        boxes.append(np.concatenate([corner, corner + rng.random(corner.shape) * size], axis=1))
    view_weights = rng.random((n, cells)).astype(np.float32)
    heatmaps = rng.random((n, cells), dtype=np.float32) ** 3
    ceilings, areas = rng.uniform(0.5, 1, n), rng.uniform(0.05, 0.2, n)
    if n > 3:
        heatmaps[2] = 0
        ceilings[3] = areas[3] + 0.19
    return ClassMaps(
        heatmaps=heatmaps,
        box_weights=view_weights * (rng.random((n, cells)) < 0.25),
        view_weights=view_weights,
        ceilings=ceilings,
        area_fractions=areas,
        points=rng.random((n, 2)),
        views=views,
        sizes=sizes,
        boxes=boxes,
    )


def baselines(maps, tolerance=0.0, min_energy_skill=0.1, **laying):
    laid = lay(maps, **laying)
    return shuffled_baselines(laid, tolerance=tolerance, min_energy_skill=min_energy_skill)


def slow_skill(maps, j, i):
    inside = sum(
        float(a) * float(w) for a, w in zip(maps.heatmaps[j], maps.box_weights[i], strict=True)
    )
    view = sum(
        float(a) * float(w) for a, w in zip(maps.heatmaps[j], maps.view_weights[i], strict=True)
    )
    gap = maps.ceilings[i] - maps.area_fractions[i]
    if view == 0 or gap < 0.2:
        return math.nan
    return min(1.0, (inside / view - maps.area_fractions[i]) / gap)


def slow_hit(maps, j, i, tolerance):
    (u, v), (x0, y0, x1, y1), (width, height) = maps.points[j], maps.views[i], maps.sizes[i]
    x, y = x0 + u * (x1 - x0), y0 + v * (y1 - y0)
    if not (0 <= x <= width and 0 <= y <= height):
        return False
    for bx0, by0, bx1, by1 in maps.boxes[i]:
        nearest = (min(max(x, bx0), bx1), min(max(y, by0), by1))
        if math.dist((x, y), nearest) <= tolerance:
            return True
    return False


def test_rounding_at_a_box_s_edge_is_no_miss():
    """.1 + .2 of 100 pixels is 4e-15 beyond the edge at 30."""
    plain = random_maps(2)
    maps = ClassMaps(
        **(
            vars(plain)
            | {
                "points": np.full((2, 2), 0.1 + 0.2),
                "views": np.tile([0.0, 0, 100, 100], (2, 1)),
                "sizes": np.full((2, 2), 100.0),
                "boxes": [np.array([[0.0, 0, 30, 30]])] * 2,
            }
        )
    )
    assert (lay(maps).off > 0).all() and baselines(maps).pointing == 1


def mean(values):
    return sum(values) / len(values) if values else math.nan


@pytest.mark.parametrize("n", [2, 5, 23])
@pytest.mark.parametrize("tolerance", [0, 15])
@pytest.mark.parametrize("of_cluster", [1, 3])
def test_all_pairs_agree_with_the_loops(n, tolerance, of_cluster):
    """Maps of one cluster are no others to each other; of two records in one, nothing is known."""
    clusters = np.arange(n) // of_cluster
    maps = ClassMaps(**(vars(random_maps(n, seed=n)) | {"clusters": clusters}))
    ours = baselines(maps, tolerance=tolerance)
    pairs = [(j, i) for i in range(n) for j in range(n) if clusters[j] != clusters[i]]
    skill = {(j, i): slow_skill(maps, j, i) for i in range(n) for j in range(n)}
    hit = {pair: slow_hit(maps, *pair, tolerance) for pair in pairs}
    seen = [pair for pair in pairs if not math.isnan(skill[pair])]
    most = max(sum(i == k for _, i in pairs) for k in range(n))
    assert ours.exact and ours.n_partners == most and ours.n_records == n
    hits = [mean([hit[pair] for pair in pairs if pair[1] == i]) for i in range(n)]
    np.testing.assert_allclose(ours.pointing_by_record, hits)
    assert ours.pointing == pytest.approx(np.mean(hits), nan_ok=True)
    assert ours.background_focused == pytest.approx(
        mean([not hit[pair] and skill[pair] < 0.1 for pair in seen]), nan_ok=True
    )
    by_image = np.array([mean([skill[pair] for pair in seen if pair[1] == i]) for i in range(n)])
    np.testing.assert_allclose(ours.energy_skill_by_record, by_image)
    own = np.array([skill[i, i] for i in range(n)])
    np.testing.assert_allclose(ours.skill_over_shuffled, own - by_image)
    told = by_image[~np.isnan(by_image)]
    assert ours.energy_skill == pytest.approx(mean(told.tolist()), nan_ok=True)
    if n == 23:
        assert 0.05 < ours.pointing < 0.95 and 0.05 < ours.background_focused < 0.95
        assert np.isnan(own[[2, 3]]).all() and np.isnan(by_image[3]) and by_image[2] < 1


def test_skill_matrix_agrees_with_the_loop():
    maps = random_maps(9)
    slow = [[slow_skill(maps, j, i) for i in range(9)] for j in range(9)]
    np.testing.assert_allclose(skill_matrix(maps), slow)


def test_a_large_class_draws_the_same_records_for_maps_and_images():
    """Map j has the energy (j + 1) / 100 in every box, and image i the ceiling .5 + i / 100."""
    plain, energy = random_maps(30, cells=2), np.arange(1, 31) / 100
    changes = {
        "heatmaps": np.stack([energy, 1 - energy], axis=1),
        "box_weights": np.tile([1.0, 0.0], (30, 1)),
        "view_weights": np.ones((30, 2)),
        "ceilings": 0.5 + np.arange(30) / 100,
        "area_fractions": np.zeros(30),
    }
    maps = ClassMaps(**(vars(plain) | changes))
    whole, part = skill_matrix(maps), skill_matrix(maps, max_records=10, seed=4)
    rows = np.searchsorted(np.diagonal(whole), np.diagonal(part) - 1e-9)
    assert part.shape == (10, 10) and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(part, whole[np.ix_(rows, rows)])
    assert not np.array_equal(part, skill_matrix(maps, max_records=10, seed=5))
    np.testing.assert_array_equal(part, skill_matrix(maps, max_records=10, seed=4))
    first = skill_matrix(maps, max_records=10)
    np.testing.assert_array_equal(first, skill_matrix(maps, max_records=10, seed=0))


@pytest.mark.parametrize("n", [9, 10, 101])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_partners_are_distinct_balanced_and_never_oneself(n, seed):
    partners = module._deal(n, 8, np.random.default_rng(seed)).T
    assert partners.shape == (n, 8)
    assert not (partners == np.arange(n)[:, None]).any()
    assert all(len(set(row)) == 8 for row in partners)
    np.testing.assert_array_equal(np.bincount(partners.ravel(), minlength=n), 8)


def test_sampled_pairs_are_near_all_pairs_and_seeded():
    maps = random_maps(400)
    exact = baselines(maps, tolerance=5)
    part = baselines(maps, tolerance=5, exact_records=100, n_partners=40, seed=1)
    assert exact.exact and not part.exact and part.n_partners == 40
    for name in ("pointing", "energy_skill", "background_focused"):
        assert getattr(part, name) == pytest.approx(getattr(exact, name), abs=0.01)
        assert getattr(part, name) != getattr(exact, name)
    assert not np.array_equal(
        lay(maps, exact_records=0).off, lay(maps, exact_records=0, seed=1).off
    )
    first, named = lay(maps, exact_records=0), lay(maps, exact_records=0, seed=0)
    assert first.exact is False and np.array_equal(first.off, named.off)
    again = baselines(maps, tolerance=5, exact_records=100, n_partners=40, seed=1)
    np.testing.assert_array_equal(again.skill_over_shuffled, part.skill_over_shuffled)


def test_all_partners_sampled_is_exact():
    maps = random_maps(20)
    part, whole = baselines(maps, exact_records=0, n_partners=19), baselines(maps)
    assert part.exact and part.pointing == whole.pointing
    cut = baselines(maps, exact_records=0, n_partners=18)
    assert not cut.exact and cut.n_partners == 18
    assert baselines(maps, exact_records=0, n_partners=1).n_partners == 1


def test_the_least_gap_is_the_caller_s():
    """Record 3 has a gap of .19, and skill where that is enough."""
    maps = random_maps(9)
    for gap, known in ((0.2, False), (0.18, True)):
        sampled = lay(maps, min_gap=gap, exact_records=0, n_partners=4)
        for skill in (lay(maps, min_gap=gap).own, sampled.own, skill_matrix(maps, min_gap=gap)[0]):
            assert np.isfinite(skill[3]) == known


@pytest.mark.parametrize("chunk", [1, 40, 300])
@pytest.mark.parametrize("exact_records", [0, 100])
def test_chunks_do_not_change_the_numbers(monkeypatch, chunk, exact_records):
    maps = random_maps(25)
    settings = {"exact_records": exact_records, "n_partners": 7, "seed": 2, "tolerance": 3}
    whole = baselines(maps, **settings)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    parts = baselines(maps, **settings)
    assert (parts.pointing, parts.background_focused) == (whole.pointing, whole.background_focused)
    np.testing.assert_allclose(parts.skill_over_shuffled, whole.skill_over_shuffled, rtol=1e-12)


def two_records(points, boxes, views=None, sizes=None):
    ones = np.ones((2, 4), dtype=np.float32)
    return ClassMaps(
        heatmaps=ones,
        box_weights=ones * np.float32([1, 0, 0, 0]),
        view_weights=ones,
        ceilings=np.ones(2),
        area_fractions=np.full(2, 0.25),
        points=np.array(points, dtype=float),
        views=np.array([[0, 0, 200, 100]] * 2 if views is None else views, dtype=float),
        sizes=np.array([[200, 100]] * 2 if sizes is None else sizes, dtype=float),
        boxes=[np.array(b, dtype=float) for b in boxes],
    )


def test_points_are_laid_on_the_other_image_x_first():
    """Map 1 points at (.75, .25): x 150, y 25 of a 200 x 100 image."""
    boxes = [[[140, 20, 160, 30]], [[0, 0, 1, 1]]]
    hits = baselines(two_records([[0.9, 0.9], [0.75, 0.25]], boxes)).pointing_by_record
    np.testing.assert_array_equal(hits, [1, 0])
    turned = baselines(two_records([[0.9, 0.9], [0.25, 0.75]], boxes))
    np.testing.assert_array_equal(turned.pointing_by_record, [0, 0])


def test_without_a_tolerance_half_a_pixel_beside_is_a_miss():
    laid = lay(two_records([[0.5, 0.5], [0.5, 0.5]], [[[0, 0, 99.5, 100]], [[0, 0, 100, 100]]]))
    np.testing.assert_array_equal(shuffled_baselines(laid).pointing_by_record, [0, 1])


@pytest.mark.parametrize(
    ("tolerance", "hit"), [(0, False), (14.99, False), (15, True), (15.01, True)]
)
def test_the_tolerance_is_inclusive_and_euclidean(tolerance, hit):
    """(150, 25) is 9 right of and 12 below the box's corner (141, 13): a distance of 15."""
    maps = two_records([[0, 0], [0.75, 0.25]], [[[100, 3, 141, 13]], np.empty((0, 4))])
    by_record = baselines(maps, tolerance=tolerance).pointing_by_record
    np.testing.assert_array_equal(by_record, [hit, False])


def test_a_point_on_the_edge_hits_and_padding_misses():
    edge = two_records([[0, 0], [0.75, 0.25]], [[[150, 25, 160, 30]], [[5, 5, 9, 9]]])
    assert baselines(edge).pointing_by_record[0] == 1
    letterbox = [[0, -50, 200, 150]] * 2
    padded = two_records([[0, 0], [0.5, 0.2]], [[[0, 0, 200, 100]]] * 2, views=letterbox)
    assert baselines(padded, tolerance=50).pointing == 0  # y = -10: near, but padding
    inside = two_records([[0, 0], [0.5, 0.25]], [[[0, 0, 200, 100]]] * 2, views=letterbox)
    assert baselines(inside).pointing_by_record[0] == 1  # y = 0: the image's own edge


def test_a_class_of_equal_maps_has_nothing_over_shuffled():
    maps = two_records([[0.5, 0.5]] * 2, [[[0, 0, 10, 10]]] * 2)
    ours = baselines(maps)
    np.testing.assert_array_equal(ours.skill_over_shuffled, [0, 0])
    assert ours.background_focused == 1 and ours.energy_skill == 0
    assert baselines(maps, min_energy_skill=0.0).background_focused == 0


def test_maps_that_follow_their_image_beat_shuffled_ones():
    n = 40
    cells = np.arange(n) % 8
    weights = np.eye(8, dtype=np.float32)[cells]
    plain = random_maps(n, cells=8)
    maps = ClassMaps(
        heatmaps=weights + np.float32(0.05),
        box_weights=weights,
        view_weights=np.ones_like(weights),
        ceilings=np.ones(n),
        area_fractions=np.full(n, 1 / 8),
        points=plain.points,
        views=plain.views,
        sizes=plain.sizes,
        boxes=plain.boxes,
    )
    assert permutation_p(skill_matrix(maps)) == 1 / 2000
    assert baselines(maps).skill_over_shuffled.min() > 0.5


@pytest.mark.parametrize("n", [0, 1])
def test_without_another_image_there_is_no_baseline(n):
    ours = baselines(random_maps(n))
    assert ours.n_partners == 0 or n == 0
    figures = (ours.pointing, ours.energy_skill, ours.background_focused)
    assert np.isnan(figures).all() and np.isnan(ours.skill_over_shuffled).all()
    assert ours.skill_over_shuffled.shape == (n,) and skill_matrix(random_maps(n)).shape == (n, n)


def test_take_is_a_class_of_its_own():
    maps = random_maps(12)
    rows = [7, 1, 4]
    part = maps.take(rows)
    assert len(part) == 3 and part.boxes[0] is maps.boxes[7]
    np.testing.assert_array_equal(skill_matrix(part), skill_matrix(maps)[np.ix_(rows, rows)])
    laid, alone = lay(maps).take(rows), lay(part)
    for name in ("skill", "off", "others", "own", "exact"):
        np.testing.assert_array_equal(getattr(laid, name), getattr(alone, name))
    assert len(maps.take([])) == 0
    with pytest.raises(ValueError, match="^take: expected all pairs$"):
        lay(maps, exact_records=0, n_partners=3).take(rows)


def test_one_laying_answers_for_every_setting():
    maps = random_maps(30, seed=8)
    laid = lay(maps)
    rates = [shuffled_rate(laid, t, m) for t in (0, 20) for m in (0.1, 0.4)]
    pairs = [(j, i) for i in range(30) for j in range(30) if j != i]
    for rate, (t, m) in zip(rates, [(0, 0.1), (0, 0.4), (20, 0.1), (20, 0.4)], strict=True):
        skill = {pair: slow_skill(maps, *pair) for pair in pairs}
        seen = [pair for pair in pairs if not math.isnan(skill[pair])]
        focused = [not slow_hit(maps, *pair, t) and skill[pair] < m for pair in seen]
        assert rate == pytest.approx(mean(focused))
    assert len(set(rates)) == 4


def test_skill_by_hand():
    assert energy_skill(0.6, 0.2, 0.7) == pytest.approx(0.8)
    assert energy_skill(0.9, 0.2, 0.7) == 1  # clipped above ...
    assert energy_skill(0.0, 0.2, 0.7) == pytest.approx(-0.4)  # ... and not below
    assert energy_skill(0.5, 0.25, 0.5, 0.25) == 1  # the least gap is enough
    for missing in ((None, 0.2, 0.7), (0.6, None, 0.7), (0.6, 0.2, None)):
        assert np.isnan(energy_skill(*missing))
    assert np.isnan(energy_skill(0.6, 0.6, 0.79)) and np.isnan(energy_skill(np.nan, 0.2, 0.7))


def test_a_map_that_is_not_finite_has_no_skill():
    maps = random_maps(6)
    maps.heatmaps[1, 3] = np.nan
    skill = skill_matrix(maps)
    assert np.isnan(skill[1]).all() and not np.isnan(skill[0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ceilings": np.ones(4)}, "ceilings"),
        ({"box_weights": np.ones((5, 3))}, "box_weights"),
        ({"points": np.full((5, 2), np.nan)}, "points"),
        ({"boxes": [np.zeros((1, 4))] * 4}, "boxes"),
    ],
)
def test_records_that_do_not_fit_are_refused(change, message):
    maps = random_maps(5)
    with pytest.raises(ValueError, match=message):
        ClassMaps(**(vars(maps) | change))


def test_settings_and_boxes_are_checked():
    maps = random_maps(5)
    with pytest.raises(ValueError, match="tolerance"):
        baselines(maps, tolerance=-1)
    with pytest.raises(ValueError, match="n_partners"):
        lay(maps, n_partners=0)
    maps.boxes[0] = np.array([[0, 0, np.nan, 1]])
    with pytest.raises(ValueError, match="^boxes: "):
        baselines(maps)
