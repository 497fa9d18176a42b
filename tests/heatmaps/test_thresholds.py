"""Thresholds: Otsu against scikit-image and a slow loop; percentile; what is refused."""

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from audit.errors import AuditError
from audit.heatmaps import Threshold, otsu_fraction


def slow_otsu(values, highest):
    bins = [min(int(float(v) * (256 / highest)), 255) for v in values.ravel()]
    best, chosen = -1.0, 0.0
    for k in range(255):
        low = [b for b in bins if b <= k]
        high = [b for b in bins if b > k]
        if low and high:
            gap = np.mean(high) - np.mean(low)
            between = len(low) * len(high) * gap**2
            if between > best * (1 + 1e-12):
                best, chosen = between, (k + 1) / 256
    return chosen


def test_otsu_is_the_slow_one():
    rng = np.random.default_rng(0)
    for _ in range(6):
        values = np.concatenate((rng.normal(2, 0.5, 60), rng.normal(6, 1, 40)))
        values = np.abs(values).astype(np.float32)
        highest = float(values.max())
        assert otsu_fraction(values, highest) == pytest.approx(slow_otsu(values, highest))


def test_otsu_splits_where_scikit_image_does():
    rng = np.random.default_rng(1)
    values = np.concatenate((rng.normal(2, 0.3, 6000), rng.normal(7, 0.5, 4000), [0.0]))
    values = np.abs(values).astype(np.float32)
    found = otsu_fraction(values, float(values.max())) * float(values.max())
    assert found == pytest.approx(threshold_otsu(values), abs=2 * float(values.max()) / 256)


def test_otsu_of_one_value_keeps_everything():
    assert otsu_fraction(np.ones((3, 3), dtype=np.float32), 1.0) == 0.0


def test_percentile_and_fraction():
    values = np.arange(101, dtype=np.float32)
    assert Threshold("percentile", 90).fraction(values, 100.0) == pytest.approx(0.9)
    assert Threshold("fraction", 0.2).fraction(values, 100.0) == 0.2
    assert Threshold("otsu").fraction(values, 100.0) == otsu_fraction(values, 100.0)


@pytest.mark.parametrize("arguments", [("median",), ("fraction", 1.5), ("percentile", -1)])
def test_bad_thresholds_are_refused(arguments):
    with pytest.raises(AuditError, match="threshold"):
        Threshold(*arguments)
