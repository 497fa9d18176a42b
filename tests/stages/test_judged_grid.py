"""Methods that see pixels are judged on the default layer's grid, whatever grid they answer on."""

import numpy as np
import pandas as pd
import pytest

from audit.config.model import Config
from audit.geometry import make_frame
from audit.heatmaps import cell_means, decode, encode, maximum
from audit.metrics import MetricSettings, SceneInputs, score_record
from audit.stages.evidence import class_maps
from audit.stages.figures import select
from audit.stages.judged_grid import NATIVE_COLUMNS, JudgedGrid, judged_grid
from audit.stages.score import KEYS, REQUIRED_METRICS
from audit.tables.parquet import read_table, write_rows
from tests.stages.hand_made import gathered, record

GRID = (3, 5)  # of gradcam at b/out; saliency answers on 8x10
SETTINGS = MetricSettings(metrics=REQUIRED_METRICS)
RULE = JudgedGrid(GRID, SETTINGS)


def slow_means(a, rows, columns):
    """Means by way of a grid that both divide: each cell repeated, then plain blocks."""
    h, w = a.shape
    fine = np.repeat(np.repeat(a.astype(np.float64), rows, axis=0), columns, axis=1)
    return np.array(
        [
            [fine[i * h : (i + 1) * h, j * w : (j + 1) * w].mean() for j in range(columns)]
            for i in range(rows)
        ]
    )


@pytest.mark.parametrize("grid", [(3, 5), (4, 5), (8, 10), (1, 1), (7, 3)])
def test_cell_means_are_plain_means_of_blocks(grid):
    maps = np.random.default_rng(0).random((3, 8, 10)).astype(np.float32)
    slow = np.array([slow_means(a, *grid) for a in maps])
    np.testing.assert_allclose(cell_means(maps, grid), slow, atol=1e-12)


def table(files, name):
    return pd.read_csv(files.root / name, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def judged(stage_files):
    files = stage_files()
    files.found["reference_grid"] = list(GRID)
    return files.finish()


@pytest.fixture(scope="module")
def coarse(stage_files):
    """The same run as if saliency had answered on the coarse grid in the first place."""
    files = stage_files()
    for shard in files.names:
        path = files.layout.explained(shard)
        rows = read_table(path)
        changed = [averaged(r) if r["method"] == "saliency" else r for r in rows.to_pylist()]
        write_rows(path, rows.schema, changed)
    return files.finish()


def averaged(row):
    stored = decode(row["heatmap"], row["heatmap_scale"], (8, 10))
    a = slow_means(stored, *GRID).astype(np.float32)
    peak, (data, scale) = maximum(a), encode(a)
    return row | {
        "grid_height": GRID[0], "grid_width": GRID[1], "heatmap": data, "heatmap_scale": scale,
        "point_u": peak.u, "point_v": peak.v, "tied": peak.tied, "map_kind": peak.kind,
    }  # fmt: skip


JUDGED = [
    "status", "reason", "pointing_hit", "pointing_hit_15px", "pointing_distance", "point_x",
    "point_y", "pointing_chance_cells", "energy_in_box", "energy_ceiling", "energy_skill",
    "skill_over_shuffled", "largest_box_cells", "eligible", "ineligible_reason",
    "background_focused",
]  # fmt: skip


def same(ours, theirs, columns):
    assert len(ours) == len(theirs) > 0
    for name in columns:
        a, b = ours[name], theirs[name]
        if pd.api.types.is_numeric_dtype(a) and a.dtype != bool:
            np.testing.assert_allclose(a, b, atol=2e-3, err_msg=name)  # float16, once or twice
        else:
            assert a.fillna("").tolist() == b.fillna("").tolist(), name


def of_method(found, method):
    return found[found["method"] == method].reset_index(drop=True)


def test_records_are_scored_as_if_the_map_were_coarse(judged, coarse):
    ours, theirs = (of_method(table(f, "predictions.csv"), "saliency") for f in (judged, coarse))
    same(ours, theirs, [*KEYS, *JUDGED])


def test_classes_are_judged_as_if_the_maps_were_coarse(judged, coarse):
    ours, theirs = (of_method(table(f, "per_class.csv"), "saliency") for f in (judged, coarse))
    told = ["n_eligible", "pointing_accuracy", "pointing_shuffled", "energy_skill", "verdict"]
    told += ["n_background_focused", "background_focused_shuffled", "skill_over_shuffled"]
    same(ours, theirs, told)


def test_native_figures_are_kept_and_other_methods_are_as_they_were(judged, several):
    ours, before = table(judged, "predictions.csv"), table(several, "predictions.csv")
    native = {f"native_{name}": name for name in NATIVE_COLUMNS}
    assert not set(native) & set(before)
    fine = of_method(ours, "saliency")[list(native)].rename(columns=native)
    same(fine, of_method(before, "saliency"), NATIVE_COLUMNS)
    same(of_method(ours, "saliency"), of_method(before, "saliency"), ["mask_iou", "box_iou"])
    assert (fine["energy_ceiling"] > of_method(ours, "saliency")["energy_ceiling"]).any()
    others = ours[ours["method"] != "saliency"].reset_index(drop=True)
    assert others[list(native)].isna().all(axis=None)
    was = before[before["method"] != "saliency"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others[before.columns], was)


def inputs(a):
    return SceneInputs(
        a.astype(np.float32), make_frame(40, 30, 24, 24, "stretch"), np.array([[2.0, 2, 16, 12]])
    )


def test_a_map_that_averages_to_a_flat_one_is_unscored():
    checks = inputs(np.indices((6, 10)).sum(axis=0) % 2)
    scores = score_record(checks, MetricSettings(metrics=(*REQUIRED_METRICS, "mask_iou")))
    found = RULE.rescored(scores, checks)
    assert scores["status"] == "scored" and scores["energy_skill"] is not None
    assert scores["mask_iou"] is not None and found["mask_iou"] is None
    assert (found["status"], found["reason"]) == ("unscored", "flat_map")
    assert all(found[name] is None for name in SETTINGS.nothing_observed)
    assert found["native_energy_skill"] == scores["energy_skill"]


def test_maxima_are_placed_in_the_view_that_they_were_seen_in():
    """A view of 40x40 pixels that begins 10 left of the picture: x 5 is 15/40 of it."""
    found = gathered(record("a", "cat"), record("b", "cat"))
    found.arrays.views[:] = [-10, 0, 30, 40]
    maps = class_maps(found, select(found.records, ["cat"], "gradcam", "out")[0], np.array([0]))
    np.testing.assert_allclose(maps.points, [[15 / 40, 5 / 40]])


def test_an_unscored_record_stays_as_it_is():
    nothing = inputs(np.zeros((6, 10)))
    scores = score_record(nothing, SETTINGS)
    assert RULE.rescored(scores, nothing) == scores


@pytest.mark.parametrize(
    ("method", "own", "expected"),
    [
        ("saliency", (8, 10), GRID),
        ("saliency", GRID, GRID),
        ("saliency", (2, 10), (2, 10)),  # coarser along one side
        ("gradcam", (8, 10), (8, 10)),
        ("center", (8, 10), (8, 10)),
    ],
)
def test_finer_maps_of_pixels_alone_are_averaged(method, own, expected):
    assert RULE.of(method, own) == expected


@pytest.mark.parametrize(
    ("methods", "grid", "there"),
    [(["saliency"], [3, 5], True), (["gradcam"], [3, 5], False), (["saliency"], None, False)],
)
def test_it_is_there_where_there_are_pixels_and_a_layer(methods, grid, there):
    config = Config.model_validate(
        {
            "audit": {"name": "t"},
            "model": {"path": "m.keras", "preprocess": "none"},
            "dataset": {"format": "coco", "annotations": "a", "images": "i"},
            "explain": {"method": methods},
        }
    )
    assert (judged_grid(config, {"reference_grid": grid}, SETTINGS) is not None) == there
