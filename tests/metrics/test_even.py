"""Maps that are the same everywhere by definition: what they are expected to reach is their score."""

import numpy as np
import pytest
from slow_metrics import SlowScene

from audit.geometry import RESIZE_MODES, make_frame
from audit.heatmaps import Peak, Threshold
from audit.metrics import METRICS, MetricSettings, Scene, SceneInputs, score_record

SWEEP = (0.1, 0.5, 0.95)
EVERYTHING = tuple(METRICS.names())
EVEN = Peak(np.nan, np.nan, False, "even")
FRAME = make_frame(33, 21, 24, 24, "stretch")
BOX = np.array([[3.0, 4, 15, 12]])


def settings(kind="fraction", value=0.15):
    return MetricSettings(EVERYTHING, 2.0, Threshold(kind, value), SWEEP)


def inputs(frame, boxes, ignored=(), shape=(5, 7), value=0.3, peak=EVEN):
    boxes, ignored = (np.array(b, np.float64).reshape(-1, 4) for b in (boxes, ignored))
    return SceneInputs(np.full(shape, value, np.float32), frame, boxes, ignored, peak)


def score(*record, chosen=None, **known):
    return score_record(inputs(*record, **known), chosen or settings())


def random_boxes(rng, n, width, height):
    corner = rng.uniform(-0.1, 0.8, (n, 2)) * (width, height)
    size = rng.uniform(0.08, 0.45, (n, 2)) * (width, height)
    return np.round(np.concatenate((corner, corner + size), axis=1) * 4) / 4


@pytest.fixture(scope="module", params=RESIZE_MODES)
def pairs(request):
    """(inputs, slow scene) of random records, with ignored regions in some of them."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(60):
        width, height = (int(v) for v in rng.integers(12, 44, 2))
        frame = make_frame(width, height, 20, 28, request.param, 0.8)
        shape, value = tuple(rng.integers(1, 6, 2)), np.float32(10.0 ** rng.integers(-18, 3))
        boxes = random_boxes(rng, rng.integers(1, 4), width, height)
        ignored = random_boxes(rng, rng.integers(0, 3), width, height)
        record = inputs(frame, boxes, ignored, shape, value)
        if Scene(record, settings()).reason is None:
            heatmap = np.ones(shape, np.float32)
            found.append((record, SlowScene(heatmap, frame, boxes.tolist(), ignored.tolist())))
    assert len(found) >= 25
    return found


@pytest.fixture
def scored(pairs):
    """(row, slow scene) pairs; scored in each test, so that each sees what it tests."""
    return [(score_record(record, settings()), slow) for record, slow in pairs]


def test_energy_is_the_areas_share_and_skill_is_none_at_all(scored):
    told = 0
    for row, slow in scored:
        expected = slow.energy()
        assert row["energy_in_box"] == row["area_fraction"]
        assert row["energy_in_box"] == pytest.approx(expected["energy_in_box"])
        assert row["energy_in_padding"] == pytest.approx(expected["energy_in_padding"], abs=1e-9)
        assert row["energy_ceiling"] == pytest.approx(expected["energy_ceiling"])
        if expected["energy_skill"] is None:
            assert row["energy_skill"] is None
        else:
            told += 1
            assert row["energy_skill"] == 0 == pytest.approx(expected["energy_skill"], abs=1e-9)
    assert told >= 5


def test_masks_are_all_that_the_model_sees(scored):
    for row, slow in scored:
        assert row["mask_iou"] == pytest.approx(slow.area()["area_fraction"])
        for t, mask, box in zip(SWEEP, row["mask_iou_sweep"], row["box_iou_sweep"], strict=True):
            assert mask == pytest.approx(slow.mask_iou(t))
            if slow.box(t) is not None:
                assert box == pytest.approx(slow.box_iou(t))


def test_it_points_nowhere_and_chance_is_what_it_was(scored):
    for row, slow in scored:
        none = ("pointing_hit", "pointing_hit_0px", "pointing_hit_15px", "pointing_hit_torchray")
        assert [row[name] for name in none] == [None] * 4
        assert row["point_x"] is row["point_y"] is row["pointing_tied"] is None
        assert row["pointing_note"] == "even"
        expected = slow.pointing(2.0)
        for name in ("chance", "chance_15px", "chance_cells", "center"):
            name = f"pointing_{name}"
            if expected[name] is None:
                assert row[name] is None
            else:
                assert row[name] == pytest.approx(expected[name])


@pytest.mark.parametrize("kind", [("otsu", 0), ("percentile", 90), ("fraction", 1.0)])
@pytest.mark.parametrize("value", [0.3, 1 / 3, 7e-18, 1e6])
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_no_threshold_finds_an_edge_in_it(mode, kind, value):
    """Rounding in the upsampled map would make one."""
    frame = make_frame(120, 295, 224, 224, mode, 0.9)
    row = score(frame, [[40, 100, 70, 160]], (), (51, 6), value, chosen=settings(*kind))
    assert row["mask_iou"] == row["area_fraction"]
    x0, y0, x1, y1 = row["heatmap_box"]
    assert (x1 - x0) * (y1 - y0) == pytest.approx(30 * 60 / row["area_fraction"])


def test_the_order_of_its_pixels_is_chance():
    row = score(FRAME, BOX)
    assert row["auc"] == 0.5 and row["inside_outside_ratio"] == 1
    assert row["relevance_rank"] == pytest.approx(row["area_fraction"])
    assert row["levels_inside"][0] == pytest.approx(row["area_fraction"])


def test_published_box_iou_has_no_scale_for_it():
    row = score(FRAME, BOX)
    assert row["box_iou_wsol"] is row["box_iou_wsol_sweep"] is None and row["box_iou"] is not None


def test_the_reasons_of_the_annotation_stay():
    assert score(FRAME, [])["reason"] == "no_box"
    assert score(FRAME, [], BOX)["reason"] == "only_ignored"
    assert score(FRAME, [[0, 0, 33, 21]])["reason"] == "boxes_fill_view"


def test_a_map_that_is_flat_by_accident_is_unscored():
    for peak in (None, EVEN._replace(kind="flat_map")):
        row = score(FRAME, BOX, peak=peak)
        assert (row["status"], row["reason"]) == ("unscored", "flat_map")
        assert row["pointing_note"] is None and row["energy_skill"] is None
