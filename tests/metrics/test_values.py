"""Check values of metrics.md, and cases whose answer is plain."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from audit.geometry import make_frame
from audit.heatmaps import Peak, Threshold, largest_component
from audit.metrics import (
    DEFAULT_SWEEP,
    METRICS,
    MetricSettings,
    Scene,
    SceneInputs,
    background_focused,
    energies,
    energy_skill,
    keep_freed_memory,
    largest_box_cells,
    pointing_hits,
    score_record,
    torchray_hit,
)
from audit.metrics import scene as scene_module
from audit.metrics.box_iou_wsol import wsol_box
from audit.records import Box

NONE = np.zeros((0, 4))


def same_grid(heatmap):
    """A frame whose pixels are the heatmap's cells, so that nothing is interpolated."""
    height, width = np.shape(heatmap)
    return make_frame(width, height, width, height, "stretch")


def score(heatmap, frame, boxes, ignored=(), peak=None, **settings):
    boxes, ignored = (np.array(b, dtype=float).reshape(-1, 4) for b in (boxes, ignored))
    heatmap = np.asarray(heatmap, dtype=np.float32)
    return score_record(
        SceneInputs(heatmap, frame, boxes, ignored, peak), MetricSettings(**settings)
    )


# -- energy


def test_relevance_mass_of_a_vector():
    a = [[0.7, 0.2, 0.1, 0]]
    row = score(a, same_grid(a), [[0, 0, 1, 1], [2, 0, 3, 1]])
    assert row["energy_in_box"] == pytest.approx(0.8)


def test_energy_of_the_top_row():
    a = [[0.6, 0.2], [0.1, 0.1]]
    assert score(a, same_grid(a), [[0, 0, 2, 1]])["energy_in_box"] == pytest.approx(0.8)


def test_energy_of_a_square_half_in_the_box():
    a = np.zeros((224, 224))
    a[0:50, 50:100] = 1
    assert score(a, same_grid(a), [[75, 0, 100, 100]])["energy_in_box"] == pytest.approx(0.5)


def test_ceiling_of_a_box_around_one_cell_is_below_one_and_reached_by_that_cell():
    frame = make_frame(70, 70, 70, 70, "stretch")
    a = np.zeros((7, 7))
    a[3, 2] = 1
    row = score(a, frame, [[20, 30, 30, 40]])
    assert row["energy_in_box"] == row["energy_ceiling"] == pytest.approx(0.7525**2, abs=0.01)
    assert row["energy_skill"] == pytest.approx(1.0)
    assert row["energy_cover"] == row["energy_in_box"]
    assert row["energy_in_padding"] == 0.0


def test_an_even_map_has_no_skill_and_one_that_avoids_the_object_has_less():
    frame = make_frame(70, 70, 70, 70, "stretch")
    a = np.ones((7, 7))
    a[0, 0] = 1.001  # barely not flat
    box = [[20, 30, 40, 50]]
    assert score(a, frame, box)["energy_skill"] == pytest.approx(0, abs=1e-3)
    a[2:6, 1:5] = 0
    assert score(a, frame, box)["energy_skill"] < -0.05


def test_skill_is_empty_for_large_boxes_and_the_other_scores_stay():
    row = score(np.eye(7), make_frame(70, 70, 70, 70, "stretch"), [[0, 0, 70, 60]])
    assert row["energy_skill"] is None
    assert row["energy_in_box"] > 0.8 and row["pointing_hit"] is True
    small = (np.eye(7), make_frame(70, 70, 70, 70, "stretch"), [[20, 20, 30, 30]])
    assert score(*small)["energy_skill"] is not None
    assert score(*small, min_headroom=0.9)["energy_skill"] is None
    assert energy_skill(0.5, 0.3, 0.49) is None and energy_skill(0.5, 0.25, 0.5, 0.25) == 1
    assert energy_skill(0.5, 0.3, 0.51) == pytest.approx(0.2 / 0.21)
    assert energy_skill(0.9, 0.1, 0.6) == 1.0
    assert energy_skill(None, 0.1, 0.6) is None and energy_skill(0.5, 0.1, None) is None


def test_energy_in_padding_of_a_letterbox():
    frame = make_frame(100, 200, 40, 40, "letterbox")  # the view is -50 ... 150
    a = np.zeros((4, 4))
    a[:, 1] = a[:, 2] = 1
    row = score(a, frame, [[0, 0, 50, 50]])
    # Each column of cells is a tent of 50 px; of each, 1/8 lies beyond the image.
    assert row["energy_in_padding"] == pytest.approx(0.125, abs=1e-3)
    # Half of the columns' energy in view lies left of 50, and a quarter of that above 50.
    assert row["energy_in_box"] == pytest.approx(0.125, abs=1e-3)


def test_no_energy_in_view_is_empty_and_a_miss():
    a = np.zeros((8, 8))
    a[3, 0] = 1
    row = score(a, make_frame(50, 200, 40, 40, "letterbox"), [[0, 0, 50, 50]])
    assert row["energy_in_padding"] == 1.0
    assert row["energy_in_box"] is row["energy_skill"] is row["mask_iou"] is row["box_iou"] is None
    assert row["pointing_hit"] is False and row["pointing_note"] == "in_padding"


def test_a_strip_thinner_than_half_a_cell_has_no_ceiling():
    row = score(np.eye(4), make_frame(400, 10, 40, 40, "letterbox"), [[0, 0, 50, 10]])
    assert row["energy_ceiling"] is None and row["energy_skill"] is None
    assert row["energy_in_box"] is not None


def test_energies_of_a_map_without_energy_are_nan():
    maps = np.array([[0, 0, 0], [0, 0.125, 0.375]], dtype=np.float32)
    with np.errstate(all="raise"):
        found = energies(maps, np.float32([1, 0, 1]), np.float32([1, 1, 1]))
    assert np.isnan(found[0]) and found[1] == 0.75


def test_energies_are_summed_in_float64():
    found = energies(np.float32([[2**24, 1, 1]]), np.float32([1, 1, 0]), np.float32([1, 1, 1]))
    assert found == (2**24 + 1) / (2**24 + 2)


# -- pointing


def one_cell(row, col, shape=(7, 7)):
    a = np.full(shape, 0.01)
    a[row, col] = 1
    return a


def test_the_point_is_the_centre_of_the_cell_not_the_edge_of_a_plateau():
    frame = make_frame(224, 112, 224, 224, "stretch")
    row = score(one_cell(0, 6), frame, [[200, 0, 210, 10]])
    assert (row["point_x"], row["point_y"]) == (208.0, 8.0)
    assert row["pointing_hit"] is True
    swapped = score(one_cell(6, 0), frame, [[200, 0, 210, 10]])
    assert swapped["pointing_hit"] is False and swapped["point_x"] == 16.0


@pytest.mark.parametrize(("x1", "near"), [(97.0, True), (96.999, False)])
def test_tolerance_is_continuous_and_inclusive(x1, near):
    frame = make_frame(224, 224, 224, 224, "stretch")
    row = score(one_cell(3, 3), frame, [[50, 100, x1, 120]])  # the point is (112, 112)
    assert row["pointing_hit_15px"] is near
    assert row["pointing_hit_0px"] is False and row["pointing_hit"] is False
    assert score(one_cell(3, 3), frame, [[50, 100, x1, 120]], tolerance=16.0)["pointing_hit"]
    # The edge itself belongs to the box.
    assert score(one_cell(3, 3), frame, [[112, 100, 150, 112]])["pointing_hit"] is True


def test_a_maximum_in_padding_is_a_miss_at_any_tolerance():
    frame = make_frame(100, 200, 70, 70, "letterbox")
    row = score(one_cell(3, 1), frame, [[0, 50, 20, 150]], tolerance=1000.0)
    assert row["point_x"] < 0
    assert row["pointing_hit"] is row["pointing_hit_15px"] is False
    assert row["pointing_note"] == "in_padding"
    assert row["pointing_chance"] == 1.0
    # Three of seven columns of cells have their centres in the image.
    assert row["pointing_chance_cells"] == pytest.approx(3 / 7)


def test_a_maximum_in_an_ignored_region_is_not_observed():
    frame = make_frame(70, 70, 70, 70, "stretch")
    ignored = [[0, 0, 30, 30]]
    row = score(one_cell(1, 1), frame, [[40, 40, 60, 60]], ignored)
    assert row["pointing_hit"] is row["pointing_hit_15px"] is row["pointing_hit_0px"] is None
    assert row["pointing_note"] == "in_ignored" and row["point_x"] == pytest.approx(15)
    assert row["pointing_chance_cells"] == pytest.approx(4 / 40)  # nine cells say nothing
    won = score(one_cell(1, 1), frame, [[10, 10, 20, 20]], ignored)
    assert won["pointing_hit"] is True and won["pointing_note"] == ""


def test_chance_counts_the_dilated_area():
    frame = make_frame(100, 80, 70, 70, "stretch")
    row = score(one_cell(1, 1), frame, [[50, 0, 60, 80]], tolerance=20.0)
    assert row["area_fraction"] == 0.1
    assert row["pointing_chance"] == pytest.approx(0.5)
    assert row["pointing_chance_15px"] == pytest.approx(0.4)
    assert row["pointing_center"] is True
    assert score(one_cell(1, 1), frame, [[51, 0, 60, 80]])["pointing_center"] is False


def test_the_stored_maximum_is_used_where_it_is_given():
    frame = make_frame(70, 70, 70, 70, "stretch")
    a = one_cell(1, 1)
    row = score(a, frame, [[60, 60, 70, 70]], peak=Peak(6.5 / 7, 6.5 / 7, True, "peak"))
    assert row["pointing_hit"] is True and row["pointing_tied"] is True
    told = Peak(float("nan"), float("nan"), False, "flat_map")
    assert score(a, frame, [[60, 60, 70, 70]], peak=told)["reason"] == "flat_map"


@pytest.mark.parametrize(
    ("x", "y", "hit"), [(135, 100, False), (136, 100, True), (139, 90, True), (138, 91, False)]
)
def test_torchray_counts_pixels_strictly(x, y, hit):
    assert torchray_hit(x, y, np.array([[150, 100, 300, 200]])) is hit


def test_torchray_of_no_pixel_is_no_hit():
    assert torchray_hit(5, 5, np.array([[5, 3, 5, 9], [3, 5, 9, 5]])) is False


def test_torchray_misses_from_padding_and_knows_nothing_of_ignored_regions():
    name = "pointing_game_torchray"
    padded = make_frame(100, 200, 70, 70, "letterbox")
    missed = score(one_cell(3, 1), padded, [[0, 50, 20, 150]], metrics=(name,))
    assert missed["pointing_hit_torchray"] is False
    frame = make_frame(70, 70, 70, 70, "stretch")
    row = score(one_cell(1, 1), frame, [[40, 40, 60, 60]], [[0, 0, 30, 30]], metrics=(name,))
    assert row["pointing_hit_torchray"] is None


def test_torchray_hit_is_that_of_a_disc_on_the_mask():
    rng = np.random.default_rng(0)
    rows, cols = np.indices((40, 50))
    for _ in range(60):
        x0, y0, x, y = (int(v) for v in rng.integers(0, 40, 4))
        ranges = np.array([[x0, y0, x0 + rng.integers(0, 9), y0 + rng.integers(0, 9)]])
        mask = np.zeros((40, 50), dtype=bool)
        mask[ranges[0, 1] : ranges[0, 3], ranges[0, 0] : ranges[0, 2]] = True
        accepted = (rows - y) ** 2 + (cols - x) ** 2 < 9**2
        if ranges[0, 2] <= 50 and ranges[0, 3] <= 40:
            assert torchray_hit(x, y, ranges, 9.0) is bool((mask & accepted).any())


def test_torchray_column():
    frame = make_frame(224, 224, 224, 224, "stretch")
    name = "pointing_game_torchray"
    # The point is pixel (112, 112); the last pixel of the box is column 97, then 98.
    for x1, hit in ((98, False), (99, True)):
        row = score(one_cell(3, 3), frame, [[50, 100, x1, 120]], metrics=(name,))
        assert row["pointing_hit_torchray"] is hit


def test_pointing_hits_without_a_box_in_view():
    frame = make_frame(80, 60, 32, 32, "center_crop")
    uv = np.array([[0.5, 0.5]])
    assert np.isnan(pointing_hits(frame, np.array([[0.0, 0, 5, 60]]), NONE, uv, 0.0)).all()
    assert pointing_hits(frame, np.array([[0.0, 0, 50, 60]]), NONE, uv, 0.0).tolist() == [1.0]
    edges = np.array([[0, 0], [1, 0.5], [0.5, 1]])  # a crop shows pixels up to its last edge
    assert pointing_hits(frame, np.array([[0.0, 0, 80, 60]]), NONE, edges, 0.0).tolist() == [
        1,
        1,
        0,
    ]
    beyond = replace(frame, view=Box(90, 0, 150, 60))
    assert np.isnan(pointing_hits(beyond, np.array([[0.0, 0, 50, 60]]), NONE, uv, 0.0)).all()


# -- masks and boxes


COMPONENTS = [
    [0.4, 0, 0.2, 0.2, 0.2],
    [0.4, 0.4, 0, 0.4, 0],
    [0, 0, 0, 0.4, 0],
    [1, 0.6, 0.8, 0.2, 0.2],
]


def test_largest_by_contour_area_and_by_pixel_count_differ():
    grey = (np.array(COMPONENTS) * 255).astype(np.uint8)
    assert wsol_box(grey, 0.2) == (0, 0, 2, 2)  # three pixels that enclose an area
    above = np.array(COMPONENTS) > 0.2
    assert largest_component(above) == (0, 1, 4, 4)  # five pixels in a line


def test_wsol_counts_widths_plus_one():
    # Map box (1, 2, 5, 6) against reference (3, 1, 4, 5): 8 / 27.
    a = np.zeros((10, 10))
    a[2:6, 1:5] = 1
    row = score(a, same_grid(a), [[3, 1, 4, 5]], metrics=("box_iou_wsol",), sweep=(0.0, 0.99))
    assert row["box_iou_wsol"] == pytest.approx(8 / 27)
    assert row["box_iou_wsol_sweep"] == pytest.approx([8 / 27, 8 / 27])
    assert wsol_box(np.zeros((3, 3), dtype=np.uint8), 0.5) == (0, 0, 0, 0)


def test_wsol_boxes_end_at_the_last_pixel():
    assert wsol_box(np.full((4, 6), 200, dtype=np.uint8), 0.5) == (0, 0, 5, 3)


def wsol(a, frame, boxes, ignored=(), sweep=()):
    row = score(
        a,
        frame,
        boxes,
        ignored,
        metrics=("box_iou_wsol",),
        threshold=Threshold("fraction", 75.5 / 255),
        sweep=(76.2 / 255, *sweep),
    )
    return row["box_iou_wsol"], *row["box_iou_wsol_sweep"]


def two_steps():
    """From a lowest value of 3: a rectangle (1, 1, 8, 7) at .3 of the range, (2, 2, 5, 6) at all."""
    a = np.full((10, 10), 3.0)
    a[1:7, 1:8] = 4.5
    a[2:6, 2:5] = 8
    return a


INNER, OUTER = [2, 2, 5, 6], [1, 1, 8, 7]
INNER_OF_OUTER = 4 * 5 / (8 * 7)  # widths plus 1


def test_wsol_scales_by_minimum_and_maximum_to_whole_steps_of_255():
    """.3 of the range is step 76: above 75, and not above 76."""
    a = two_steps()
    assert wsol(a, same_grid(a), [OUTER]) == pytest.approx((1, INNER_OF_OUTER))
    assert wsol(a, same_grid(a), [INNER]) == pytest.approx((INNER_OF_OUTER, 1))


def test_wsol_leaves_ignored_regions_out_of_the_scale():
    a = two_steps()
    a[8:, :] = (0, 9) * 5
    assert wsol(a, same_grid(a), [INNER], [[0, 8, 10, 10]]) == pytest.approx((INNER_OF_OUTER, 1))


def test_wsol_boxes_lie_where_the_crop_does():
    frame = make_frame(20, 10, 10, 10, "center_crop")  # columns 5 to 15
    assert wsol(two_steps(), frame, [[7, 2, 10, 6]]) == pytest.approx((INNER_OF_OUTER, 1))


def test_box_and_mask_iou_of_a_rectangle():
    a = np.zeros((10, 20))
    a[2:6, 1:9] = 1
    a[9, 19] = 0.5  # a second component, one pixel
    row = score(a, same_grid(a), [[1, 2, 9, 4], [0, 0, 1, 1]], sweep=(0.0, 0.5, 0.75))
    assert row["box_iou"] == 0.5 and row["localisation_correct"] is True
    assert row["heatmap_box"].tolist() == [1, 2, 9, 6]
    assert row["mask_iou"] == pytest.approx(16 / (33 + 17 - 16))
    assert row["box_iou_sweep"].tolist() == [16 / 200, 0.5, 0.5]
    # .5 itself is in the mask at .5 and not at .75.
    assert row["mask_iou_sweep"] == pytest.approx([17 / 200, 16 / 34, 16 / 33])


def test_otsu_and_percentile_thresholds_move_the_mask():
    a = np.array([[0, 1, 1, 1, 2, 9, 9, 10.0]])
    boxes = [[5, 0, 8, 1]]
    otsu = score(a, same_grid(a), boxes, threshold=Threshold("otsu"))
    assert otsu["mask_iou"] == otsu["box_iou"] == 1.0 and 0.2 < otsu["threshold"] < 0.9
    top = score(a, same_grid(a), boxes, threshold=Threshold("percentile", 100.0))
    assert top["threshold"] == 1.0 and top["mask_iou"] == pytest.approx(1 / 3)
    fixed = score(a, same_grid(a), boxes)
    np.testing.assert_array_equal(otsu["mask_iou_sweep"], fixed["mask_iou_sweep"])


def test_the_configured_threshold_need_not_be_in_the_sweep_nor_the_sweep_in_order():
    rng = np.random.default_rng(1)
    a, frame, boxes = rng.random((5, 5)), make_frame(50, 40, 9, 9, "stretch"), [[5, 5, 25, 30]]
    first = score(a, frame, boxes, threshold=Threshold("fraction", 0.37), sweep=(0.7, 0.2))
    for place, t in enumerate((0.7, 0.2)):
        alone = score(a, frame, boxes, threshold=Threshold("fraction", t), sweep=())
        assert alone["mask_iou"] == first["mask_iou_sweep"][place]
        assert alone["box_iou"] == first["box_iou_sweep"][place]
    assert first["threshold"] == 0.37


def test_a_pixel_whose_value_is_the_threshold_is_in_the_mask():
    """The box is the highest pixel, so that the IoU is one over the pixels of the mask."""
    a = np.random.default_rng(3).random((1, 60), dtype=np.float32)
    values, x = np.sort(a[0]).astype(np.float64), int(a[0].argmax())
    row = score(a, same_grid(a), [[x, 0, x + 1, 1]], sweep=tuple(values / values[-1]))
    np.testing.assert_allclose(1 / row["mask_iou_sweep"], np.arange(60, 0, -1))


def test_masks_leave_ignored_regions_out():
    a = np.zeros((6, 10))
    a[0:2, 0:8] = 7
    a[4:6, 0:2] = 7
    row = score(a, same_grid(a), [[0, 4, 2, 6]], [[0, 0, 8, 2]])
    assert row["mask_iou"] == row["box_iou"] == row["energy_in_box"] == 1.0
    assert row["area_fraction"] == pytest.approx(4 / 44)
    assert (row["mask_iou_sweep"] == 1).all() and (row["box_iou_sweep"] == 1).all()


@pytest.mark.parametrize("kind", ["percentile", "otsu"])
def test_thresholds_leave_ignored_regions_out(kind):
    a = np.array([[1, 2, 3, 4, 5, 9, 9, 9.0]])
    threshold = Threshold(kind, 50.0)
    row = score(a, same_grid(a), [[4, 0, 5, 1]], [[5, 0, 8, 1]], threshold=threshold)
    alone = score(a[:, :5], same_grid(a[:, :5]), [[4, 0, 5, 1]], threshold=threshold)
    assert row["threshold"] == alone["threshold"] and row["mask_iou"] == alone["mask_iou"]
    assert kind == "otsu" or row["threshold"] == pytest.approx(3 / 5)


# -- flags


@pytest.mark.parametrize(
    ("hit", "skill", "expected"),
    [
        (False, 0.05, True),
        (False, 0.1, False),
        (True, 0.05, False),
        (True, 0.5, False),
        (False, None, None),
        (True, None, None),
        (None, 0.05, None),
        (None, 0.5, None),
        (False, float("nan"), None),
    ],
)
def test_background_focused_is_three_valued(hit, skill, expected):
    assert background_focused(hit, skill) is expected


def test_background_focused_minimum():
    assert background_focused(False, 0.2, 0.3) is True


def test_largest_box_in_cells():
    frame = make_frame(70, 140, 7, 7, "stretch")
    boxes = np.array([[0.0, 0, 10, 20], [10, 10, 30, 50], [60, 0, 99, 1]])
    assert largest_box_cells(boxes, frame, 7, 7) == pytest.approx(4.0)
    assert largest_box_cells(NONE, frame, 7, 7) == 0.0


def test_of_a_box_cut_by_the_crop_what_is_left_counts():
    crop = make_frame(80, 60, 32, 32, "center_crop")  # columns 10 to 70
    row = score(np.eye(6), crop, [[0, 0, 20, 60], [0, 0, 9, 60]])
    assert row["largest_box_cells"] == pytest.approx(6.0)


def test_ten_thousand_boxes_are_scored():
    rng = np.random.default_rng(2)
    corner = rng.uniform(0, (400, 300), (10_000, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(1, 20, (10_000, 2))), axis=1)
    row = score(rng.random((7, 7)), make_frame(500, 375, 224, 224, "stretch"), boxes)
    assert row["status"] == "scored" and 0.5 < row["area_fraction"] < 1


# -- what is worked out


def test_a_sweep_is_found_together_and_other_thresholds_one_by_one():
    assert MetricSettings().fixed_levels.even.all()
    for threshold in (Threshold("fraction", 0.17), Threshold("otsu")):
        levels = MetricSettings(threshold=threshold).levels(0.17)
        assert levels.fractions[~levels.even].tolist() == [0.17]
        assert levels.fractions[levels.places].tolist() == [0.17, *DEFAULT_SWEEP]


def test_the_hint_to_the_allocator_is_the_largest_that_it_takes():
    """glibc follows freed blocks of up to 32 MiB."""
    tracemalloc.start()
    keep_freed_memory()
    left, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 1 << 20 and 30 << 20 < most < 32 << 20


def test_centres_of_cells_row_by_row():
    scene_module._cell_centres.cache_clear()
    frame = make_frame(40, 20, 32, 32, "center_crop")  # columns 10 to 30
    centres = Scene(SceneInputs(np.zeros((2, 4), np.float32), frame, []), None).cell_centres
    rows = [[(x, y) for x in (12.5, 17.5, 22.5, 27.5)] for y in (5, 15)]
    np.testing.assert_allclose(centres, np.concatenate(rows), rtol=1e-12)
    assert not centres.flags.writeable  # shared by records


@pytest.mark.parametrize(
    ("size", "mode", "ignored", "known"),
    [
        ((80, 60), "stretch", [], True),
        ((80, 60), "stretch", [[40, 40, 60, 60]], False),
        ((80, 60), "center_crop", [], True),
        ((80, 60), "letterbox", [], False),
        ((28, 28), "stretch", [], True),  # four pixels a cell
        ((27, 60), "stretch", [], False),
        ((60, 27), "stretch", [], False),
    ],
)
def test_summits_are_those_of_a_whole_map_of_large_cells(size, mode, ignored, known):
    frame = make_frame(*size, 32, 32, mode)
    ignored = np.array(ignored, dtype=float).reshape(-1, 4)
    inputs = SceneInputs(np.float32(one_cell(1, 2)), frame, [Box(11, 1, 30, 30)], ignored)
    assert (Scene(inputs, MetricSettings()).summits is not None) is known


@pytest.mark.parametrize("seed", range(5))
def test_every_pixel_that_none_around_it_reaches_is_a_summit(seed):
    rng = np.random.default_rng(seed)
    frame = make_frame(*rng.integers(40, 90, 2).tolist(), 32, 32, "stretch")
    inputs = SceneInputs(rng.random((5, 6), dtype=np.float32), frame, [Box(1, 1, 9, 9)])
    scene = Scene(inputs, MetricSettings())
    values = np.pad(scene.values, 1, constant_values=-np.inf)
    rows, cols = scene.values.shape
    around = [
        values[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + cols]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if dy or dx
    ]
    alone = (scene.values > around).all(axis=0)
    assert alone.sum() >= 2 and np.isin(scene.values[alone], scene.summits).all()


def test_bounds_of_masks_are_not_sought_for_mask_iou_alone():
    inputs = SceneInputs(one_cell(1, 2), make_frame(70, 70, 70, 70, "stretch"), [Box(1, 1, 9, 9)])
    for metric, sought in (("mask_iou", False), ("box_iou", True)):
        scene = Scene(inputs, MetricSettings())
        METRICS.get(metric).compute(scene)
        assert ("rectangles" in vars(scene.levels[0])) is sought
