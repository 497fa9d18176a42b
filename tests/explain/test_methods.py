"""Every registered method, and each against its definition written out as a loop."""

import numpy as np
import pytest

from audit.explain import METHODS, LayerTrace

# Methods whose maps are signed by definition would be named here.
SIGNED: set[str] = set()
every_method = pytest.mark.parametrize("name", METHODS.names())


def trace(batch=3, height=4, width=5, channels=6, rows=(2, 0, 2), seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return LayerTrace(
        (rng.normal(size=(batch, height, width, channels)) * scale).astype(np.float32),
        np.array(rows, np.int64),
        rng.normal(size=(len(rows), channels)).astype(np.float32),
    )


def heatmaps(name, given):
    return METHODS.get(name).heatmaps(given)


@every_method
def test_is_described(name):
    entry = METHODS.get(name)
    assert entry.name == name and entry.source
    assert entry.summary and "\n" not in entry.summary and len(entry.summary) < 90


@every_method
@pytest.mark.parametrize("scale", [1.0, 1e-18, 1e18])
def test_maps_are_finite_float32_on_the_layer_s_grid(name, scale):
    maps = heatmaps(name, trace(scale=scale))
    assert maps.shape == (3, 4, 5) and maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.max() > 0
    assert name in SIGNED or maps.min() >= 0


@every_method
def test_no_targets(name):
    maps = heatmaps(name, trace(rows=()))
    assert maps.shape == (0, 4, 5) and maps.dtype == np.float32


@every_method
def test_a_map_depends_on_its_own_image_and_target_alone(name):
    whole = trace()
    maps = heatmaps(name, whole)
    for position, row in enumerate(whole.rows):
        alone = LayerTrace(
            whole.activations[row : row + 1],
            np.array([0]),
            whole.mean_gradients[position : position + 1],
        )
        assert heatmaps(name, alone)[0].tobytes() == maps[position].tobytes()


@every_method
@pytest.mark.parametrize("where", ["activations", "mean_gradients"])
def test_what_is_not_a_number_stays_so(name, where):
    given = trace()
    getattr(given, where)[0] = np.nan
    maps = heatmaps(name, given)
    broken = {"activations": 1, "mean_gradients": 0}[where]  # image 0 is that of target 1
    assert np.isnan(maps[broken]).all()
    assert np.isfinite(maps[2]).all()


@every_method
def test_what_is_given_is_left_as_it_was(name):
    given, same = trace(), trace()
    heatmaps(name, given)
    np.testing.assert_array_equal(given.activations, same.activations)
    np.testing.assert_array_equal(given.mean_gradients, same.mean_gradients)


def test_gradcam_is_the_positive_part_of_the_weighted_sum():
    given = trace(seed=1)
    expected = np.zeros((3, 4, 5))
    for p, row in enumerate(given.rows):
        for i in range(4):
            for j in range(5):
                total = 0.0
                for k in range(6):
                    total += float(given.mean_gradients[p, k]) * float(
                        given.activations[row, i, j, k]
                    )
                expected[p, i, j] = max(total, 0.0)
    assert (expected == 0).any()
    np.testing.assert_allclose(heatmaps("gradcam", given), expected, rtol=1e-5, atol=1e-6)


def test_gradcam_of_a_map_without_a_positive_part_is_zero():
    given = trace()
    negative = LayerTrace(-np.abs(given.activations), given.rows, np.abs(given.mean_gradients))
    assert not heatmaps("gradcam", negative).any()
