"""Level images against their definition, where rounding is worst; masks and counts against them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.geometry import Window, tile
from audit.heatmaps import SuperlevelSets, even_steps, level_image, superlevel

NONE = np.zeros((0, 4))
SWEEP = tuple(round(0.05 * k, 2) for k in range(1, 20))
# Of the maximum: ordinary, those of a saturated softmax, subnormal, and near the largest float32.
SCALES = (1.0, 0.3, 7e-18, 1e-30, 3e-36, 1e-37, 2e-38, 1e-41, 1e-44, 1e9, 2e36, 9e37, 3.4e38)
FRACTIONS = st.one_of(
    st.builds(
        lambda n, m: np.arange(1, min(n, m) + 1) / n, st.integers(1, 999), st.integers(1, 140)
    ),
    st.builds(lambda n: np.arange(1, n) * (1 / n), st.integers(2, 120)),  # rounded otherwise
    st.lists(st.floats(0, 1), max_size=8).map(np.array),
)


def cuts_of(fractions, highest):
    """Rising cuts, and which of them are at even steps: as the scene of a record has them."""
    fractions = np.unique(fractions)
    return (fractions * highest).astype(np.float32), np.isin(fractions, even_steps(fractions))


def near(cuts, highest):
    """Each cut, its neighbours among float32 numbers, and values about the margin around it."""
    steps = [cuts, np.float32([0, highest])]
    for toward in (0, np.inf):
        one = np.nextafter(cuts, np.float32(toward))
        steps += [one, np.nextafter(one, np.float32(toward))]
    shares = 2.0 ** np.arange(-24, -15)
    for scale in np.concatenate((1 - shares, 1 + shares)):
        steps.append((cuts * scale).astype(np.float32))
    return np.minimum(np.concatenate(steps), np.float32(highest))


def check(values, cuts, even, valid=None):
    found = level_image(values, cuts, even, valid)
    assert found.dtype == (np.uint8 if len(cuts) <= superlevel.MOST_CUTS else np.uint16)
    np.testing.assert_array_equal(found, np.searchsorted(cuts, values, side="right"))


@pytest.mark.parametrize("highest", SCALES)
@pytest.mark.parametrize("more", [(), (0.17, 0.3301), (0.0, 1.0)])
def test_levels_are_exact_where_rounding_is_worst(highest, more):
    highest = np.float32(highest)
    cuts, even = cuts_of(np.array((*SWEEP, *more)), float(highest))
    assert even.sum() >= len(SWEEP)
    values = near(cuts, highest)
    for width in (1, 2, 3, 4, 8, 11):  # words of pixels, and ends of rows shorter than a vector
        rows = values[: len(values) // width * width].reshape(-1, width)
        check(rows, cuts, even)
        check(np.tile(rows, (1, 40)), cuts, even)


@given(FRACTIONS, st.floats(-148, 127.9), st.integers(0, 2**32 - 1))
def test_levels_of_any_sweep_and_scale(fractions, exponent, seed):
    rng = np.random.default_rng(seed)
    highest = np.float32(2.0**exponent)
    cuts, even = cuts_of(fractions, float(highest))
    values = np.concatenate((near(cuts, highest), highest * rng.random(50, dtype=np.float32)))
    values = rng.permutation(values)[: len(values) // 5 * 5].reshape(5, -1)
    check(values, cuts, even)
    valid = rng.random(values.shape) < 0.7
    check(np.where(valid, values, np.float32(-1)), cuts, even, valid)


def test_levels_of_plateaus_at_the_cuts():
    """Few values, each at a cut: clamped borders and equal cells are all of one, rounded, value."""
    rng = np.random.default_rng(0)
    for highest in np.float32([1, 0.7, 1e-9, 3]):
        cells = (rng.integers(0, 21, (7, 7)) / 20 * highest).astype(np.float32)
        values = cv2.resize(cells, (150, 111))
        check(values, *cuts_of(SWEEP, float(values.max())))


def test_cuts_that_coincide_after_rounding():
    cuts, even = cuts_of(SWEEP, 1e-44)
    assert len(np.unique(cuts)) < len(cuts)
    check(np.float32([[0, 1e-45, 3e-45, 7e-45, 1e-44]]), cuts, even)


def test_even_steps():
    assert even_steps(SWEEP).tolist() == list(SWEEP)
    assert len(even_steps(np.arange(1, 20) * 0.05)) == 19  # .15 is .15000000000000002 there
    assert even_steps((0.4, 0.2, 0.9, 0.1, 0.3, 0.5)).tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert even_steps((0.1, 0.2, 0.4, 0.5)).size == even_steps(()).size == 0
    assert even_steps((0.0, 1e-5, 0.2, 0.4, 0.6, 0.8)).tolist() == [0.2, 0.4, 0.6, 0.8]


def random_sets(seed, count, n=6):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        values = rng.random(rng.integers(1, 30, 2)).astype(np.float32) ** 3
        yield values, SuperlevelSets(values, *cuts_of(rng.random(n), values.max()))


def test_masks_are_the_whole_ones_cut_to_their_bounds():
    for values, sets in random_sets(1, 30):
        for cut, (mask, row0, col0) in zip(sets.cuts, sets, strict=True):
            whole = np.zeros_like(values, dtype=bool)
            whole[row0 : row0 + mask.shape[0], col0 : col0 + mask.shape[1]] = mask
            np.testing.assert_array_equal(whole, values >= cut)
            assert mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()


@pytest.mark.parametrize("n", [0, 1, 6, 127, 128, 200])
def test_counts_are_those_of_the_masks(n, monkeypatch):
    boxes = np.array([[3.0, 2, 12, 20], [8, 1, 25, 9]])
    for counted in (1 << 24, 48):  # in one go, and in parts
        monkeypatch.setattr(superlevel, "MOST_COUNTED", counted)
        for values, sets in random_sets(2, 20, n):
            tiling = tile(Window(0, values.shape[0], 0, values.shape[1]), boxes, NONE)
            size, shared = sets.counts(tiling, tiling.inside)
            masks = values >= sets.cuts[:, None, None]
            np.testing.assert_array_equal(size, masks.sum(axis=(1, 2)))
            marked = masks & tiling.raster(tiling.inside)
            np.testing.assert_array_equal(shared, marked.sum(axis=(1, 2)))


def test_counts_beyond_what_float32_holds():
    values = np.ones((4097, 4099), np.float32)
    tiling = tile(Window(0, 4097, 0, 4099), np.array([[0.0, 0, 4099, 4097]]), NONE)
    sets = SuperlevelSets(values, np.float32([0.5]), np.array([False]))
    size, shared = sets.counts(tiling, tiling.inside)
    assert size.tolist() == shared.tolist() == [4097 * 4099]  # odd, and above 2^24
