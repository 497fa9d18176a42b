"""The maximum of a heatmap: centres of cells, ties, and maps that have none."""

import numpy as np
import pytest

from audit.heatmaps import FLAT_MAP, NEGATIVE_MAP, NON_FINITE_MAP, PEAK, maximum


def test_the_centre_of_the_largest_cell():
    a = np.zeros((3, 5), dtype=np.float32)
    a[2, 1] = 1
    assert maximum(a) == ((1 + 0.5) / 5, (2 + 0.5) / 3, False, PEAK)


def test_tied_cells_give_the_mean_of_their_largest_group():
    a = np.zeros((4, 6), dtype=np.float32)
    a[0, 5] = 2
    a[2, 1] = a[3, 2] = 2  # touch at a corner: one group
    a[2, 1] *= np.float32(1 - 5e-7)  # within 1e-6: as high
    assert maximum(a) == ((1.5 + 0.5) / 6, (2.5 + 0.5) / 4, True, PEAK)


def test_of_equal_groups_the_first_in_raster_order():
    a = np.zeros((9, 9), dtype=np.float32)
    a[6, 0] = a[1, 7] = a[1, 4] = 1
    assert maximum(a)[:3] == (4.5 / 9, 1.5 / 9, True)


def test_a_cell_just_below_the_tie_is_not_tied():
    a = np.array([[0, 1, 1 - 3e-6]], dtype=np.float32)
    assert maximum(a)[:3] == (0.5, 0.5, False)


def test_tiny_maps_are_no_flatter_than_large_ones():
    a = np.array([[1, 2], [3, 7]], dtype=np.float32)
    assert maximum(a * np.float32(1e-18)) == maximum(a)


@pytest.mark.parametrize(
    ("a", "kind"),
    [
        (np.zeros((2, 2)), FLAT_MAP),
        (np.full((2, 2), 0.3), FLAT_MAP),
        (np.array([[0.3, 0.3 * (1 - 1e-7)]]), FLAT_MAP),
        (np.ones((1, 1)), FLAT_MAP),
        (np.array([[1, np.nan]]), NON_FINITE_MAP),
        (np.array([[1, np.inf]]), NON_FINITE_MAP),
        (np.array([[-np.inf, 1]]), NON_FINITE_MAP),
        (np.array([[1, -0.5]]), NEGATIVE_MAP),
        (np.array([[-1.0, -0.5]]), NEGATIVE_MAP),
    ],
)
def test_maps_without_a_maximum(a, kind):
    found = maximum(a.astype(np.float32))
    assert found.kind == kind
    assert np.isnan(found.u) and np.isnan(found.v) and not found.tied
