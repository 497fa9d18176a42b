"""Storage of heatmaps."""

import numpy as np
import pytest

from audit.heatmaps import NON_FINITE_MAP, decode, encode, maximum


@pytest.mark.parametrize("scale", [1.0, 7e-18, 3e5, 1e-40, 3e38])
def test_written_and_read_back(scale):
    rng = np.random.default_rng(0)
    a = (rng.random((5, 7)) * scale).astype(np.float32)
    data, factor = encode(a)
    assert len(data) == 70 and isinstance(factor, np.float32)
    back = decode(data, factor, (5, 7))
    assert back.dtype == np.float32
    assert back.max() == a.max()
    np.testing.assert_allclose(back, a, rtol=0, atol=float(a.max()) * 5e-4)
    assert encode(back) == (data, factor) or scale == 1e-40  # subnormals have few digits


def test_zeros_and_signs_survive():
    data, factor = encode(np.zeros((2, 3), dtype=np.float32))
    assert factor == 0 and not decode(data, factor, (2, 3)).any()
    negative = np.array([[-2, 1]], dtype=np.float32)
    np.testing.assert_array_equal(decode(*encode(negative), (1, 2)), negative)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(bad):
    back = decode(*encode(np.array([[1, bad]], dtype=np.float32)), (1, 2))
    assert maximum(back).kind == NON_FINITE_MAP


def test_a_wrong_shape_is_refused():
    data, factor = encode(np.ones((2, 3), dtype=np.float32))
    with pytest.raises(ValueError):
        decode(data, factor, (2, 4))
