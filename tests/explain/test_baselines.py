"""The maps that know nothing, each against its definition."""

import math

import numpy as np
import pytest

from audit.explain import METHODS
from audit.heatmaps import maximum

from .subject import GRID, HEIGHT, WIDTH, FakeSubject, question


def baseline(name, asked, layer=0):
    return METHODS.get(name).heatmaps(asked.trace(layer))


def test_center_is_a_gaussian_in_shares_of_the_sides():
    maps = baseline("center", question())
    for i, j in np.ndindex(HEIGHT, WIDTH):
        u, v = (j + 0.5) / WIDTH - 0.5, (i + 0.5) / HEIGHT - 0.5
        expected = math.exp(-(u * u + v * v) / (2 * 0.25**2))
        assert maps[:, i, j] == pytest.approx([expected] * 3, rel=1e-6)


@pytest.mark.parametrize("layer", [0, None])
def test_center_points_at_the_middle_of_any_grid(layer):
    """On an even grid four cells are as high, and their middle is the image's."""
    peak = maximum(baseline("center", question(), layer)[0])
    assert (peak.u, peak.v) == (0.5, 0.5)


@pytest.mark.parametrize("name", ["center", "uniform", "random"])
def test_without_a_layer_the_input_s_grid_serves(name):
    assert baseline(name, question(), None).shape == (3, GRID, GRID)


def test_uniform_is_one_everywhere():
    assert (baseline("uniform", question()) == 1).all()


def test_random_is_the_image_s_own_and_its_targets_share_it():
    maps = baseline("random", question(rows=(2, 0, 2), keys=[11, 12, 13, 14]))
    np.testing.assert_array_equal(maps[0], maps[2])
    assert (maps[0] != maps[1]).all()
    other = baseline("random", question(rows=(2, 0, 2), keys=[11, 12, 99, 14]))
    np.testing.assert_array_equal(other[1], maps[1])
    assert (other[0] != maps[0]).all()


def test_random_takes_keys_of_64_bits():
    assert baseline("random", question(keys=[2**64 - 1] * 4)).max() < 1


def test_random_points_anywhere():
    """Each cell is the highest about equally often: 20 cells, 2,000 maps."""
    keys = list(range(2000))
    pixels = np.zeros((2000, 48, 60, 3), np.uint8)
    maps = baseline("random", question(rows=keys, outputs=[(0,)] * 2000, keys=keys, pixels=pixels))
    counts = np.bincount(maps.reshape(2000, -1).argmax(axis=1), minlength=20)
    # Four standard deviations of a binomial count.
    assert np.abs(counts - 100).max() < 4 * math.sqrt(2000 * 0.05 * 0.95)


def test_activation_is_the_layer_s_mean_whatever_the_class():
    subject = FakeSubject()
    asked = question(subject)
    layer = subject.activations(asked.forward, 0)
    for found, row in zip(baseline("activation", asked), asked.rows, strict=True):
        expected = [[sum(map(float, cell)) / len(cell) for cell in line] for line in layer[row]]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
