"""A map read off at points, against the same map on every pixel."""

import numpy as np
import pytest

from audit.geometry import make_frame, visible_window
from audit.heatmaps import sample, upsample


@pytest.mark.parametrize("mode", ["stretch", "center_crop", "letterbox"])
def test_at_the_pixels_centres_it_is_the_map_on_the_pixels(mode):
    frame = make_frame(90, 50, 32, 32, mode)
    values = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    xs, ys = np.arange(90) + 0.5, np.arange(50) + 0.5
    found = sample(values, frame, xs, ys)
    window = visible_window(frame)
    seen = found[window.row0 : window.row1, window.col0 : window.col1]
    np.testing.assert_allclose(seen, upsample(values, frame), atol=1e-6)
    assert np.isnan(found).sum() == found.size - seen.size


def test_beyond_the_image_there_is_nothing():
    frame = make_frame(10, 10, 8, 8, "letterbox")
    at = np.array([-1.0, 5.0, 11.0])
    for found in (
        sample(np.ones((2, 2)), frame, at, np.array([5.0])),
        sample(np.ones((2, 2)), frame, np.array([5.0]), at).T,
    ):
        assert np.isnan(found).tolist() == [[True, False, True]]
