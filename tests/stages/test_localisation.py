"""localisation.csv, the COCO files, and thresholds that are calibrated on other images."""

import contextlib
import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO

from audit.config.heatmap import HeatmapSection
from audit.config.model import Config
from audit.metrics import METRICS
from audit.progress import Progress
from audit.stages.calibration import Calibration, calibrate, halves_of
from audit.stages.judge import run_judge
from audit.stages.localisation import pointing_with_recall
from audit.stages.score import run_score
from audit.stages.targets import output_rank
from audit.tables.parquet import read_table

NAN = float("nan")
SWEEP = [0.1, 0.3, 0.5, 0.7]
TAKEN = [n for n in METRICS.names() if n not in ("box_iou_wsol", "top_k_intersection")]
FILES = ("localisation.csv", "heatmap_boxes.json", "heatmap_boxes_gt.json", "predictions.csv")


@pytest.fixture(scope="module")
def judged(stage_files):
    """Scores and judges a run's files, with a heatmap section of its own."""

    def build(shards=2, **heatmap):
        files = stage_files(shards=shards)
        section = HeatmapSection(**{"sweep": SWEEP, **heatmap})
        chosen = {"heatmap": section, "metrics": TAKEN}
        files.config = files.config.model_copy(update=chosen)
        for shard in files.names:
            run_score(files.config, files.layout, files.found, shard, Progress("score"), 1)
        run_judge(files.config, files.layout, files.manifest, files.found, Progress("judge"))
        return files

    return build


@pytest.fixture(scope="module")
def run(judged):
    return judged()


@pytest.fixture(scope="module")
def calibrated(judged):
    return judged(threshold="calibrated")


def table(files, name="localisation.csv"):
    return pd.read_csv(files.root / name)


def of_pair(frame, method="gradcam", layer="b/out"):
    return frame[(frame["method"] == method) & (frame["layer"] == layer)]


def scores(files):
    """The stored lists of one method at one layer, by file and class."""
    parts = [read_table(files.layout.scores(s)).to_pandas() for s in files.names]
    frame = of_pair(pd.concat(parts)).sort_values(["file_name", "target_class"])
    return frame[frame["status"] == "scored"].set_index(["file_name", "target_class"])


def own_records(files):
    """predictions.csv of one method at one layer: scored records against their own class."""
    records = of_pair(table(files, "predictions.csv"))
    records = records[(records["reference"] == "class") & (records["status"] == "scored")]
    return records.set_index(["file_name", "target_class"])


# -- the table


def test_every_class_method_and_layer_has_a_row(run):
    found = table(run)
    assert len(found) == 3 * 5 and not found[["class", "method", "layer"]].duplicated().any()


def test_means_are_those_of_the_records_and_counted(run):
    records = of_pair(table(run, "predictions.csv"))
    row = of_pair(table(run)).set_index("class").loc["__all__"]
    own = records[records["reference"] == "class"]
    for name in ("relevance_rank", "auc", "inside_outside_ratio"):
        assert row[name] == pytest.approx(own[name].mean())
        assert row[f"n_{name}"] == own[name].notna().sum() > 10


def test_box_accuracy_is_that_of_the_best_threshold(run):
    found = of_pair(table(run)).set_index("class").loc["__all__"]
    stored = scores(run)
    own = stored.index.isin(own_records(run).index)
    sweep = np.stack(stored["box_iou_sweep"][own])
    shares = {level: (sweep >= level).mean(axis=0) for level in (0.3, 0.5, 0.7)}
    for level, share in shares.items():
        name = f"max_box_acc_{round(100 * level)}"
        assert found[name] == pytest.approx(share.max())
        assert found[f"{name}_threshold"] == SWEEP[share.argmax()]
    assert found["max_box_acc_v2"] == pytest.approx(np.mean([s.max() for s in shares.values()]))


def test_localisation_error_asks_for_the_class_too(run):
    records = of_pair(table(run, "predictions.csv"))
    own = records[(records["reference"] == "class") & records["box_iou"].notna()]
    row = of_pair(table(run)).set_index("class").loc["__all__"]
    assert row["n_localisation_error"] == len(own)
    for top in (1, 5):
        right = (own["box_iou"] >= 0.5) & (own["target_rank"] <= top)
        assert row[f"localisation_error_top{top}"] == pytest.approx(1 - right.mean())


def test_what_was_not_taken_is_empty_and_said(run):
    found = table(run)
    assert found["max_box_acc_wsol_50"].isna().all() and (found["n_max_box_acc_wsol"] == 0).all()
    assert found["pointing_with_recall"].isna().all()
    said = found["note"].unique()
    assert found["top_k_intersection"].isna().all() and (found["n_top_k_intersection"] == 0).all()
    words = ("box_iou_wsol is not", "targets.classes has no top_k", "metrics: top_k_intersection")
    assert len(said) == 1 and all(text in said[0] for text in words)


def test_shards_change_no_byte(judged, run):
    other = judged(shards=3)
    for name in FILES:
        assert (other.root / name).read_bytes() == (run.root / name).read_bytes()


# -- calibration


def test_a_threshold_is_never_chosen_on_the_records_that_it_scores(calibrated):
    own = own_records(calibrated)
    sweep = np.stack(scores(calibrated).loc[own.index, "mask_iou_sweep"])
    halves = halves_of(own.index.get_level_values(0), 0)  # here a file's digest is its name
    assert set(halves) == {0, 1}
    for half in (0, 1):
        best = SWEEP[sweep[halves != half].mean(axis=0).argmax()]
        assert (own["threshold"][halves == half] == best).all()


def test_values_are_read_off_the_sweep_and_boxes_follow(calibrated):
    records = own_records(calibrated)
    for key, row in records.iterrows():
        stored = scores(calibrated).loc[key]
        place = SWEEP.index(row["threshold"])
        assert row["mask_iou"] == stored["mask_iou_sweep"][place]
        assert row["box_iou"] == stored["box_iou_sweep"][place]
        assert row["localisation_correct"] == (row["box_iou"] >= 0.5)


def test_boxes_of_the_coco_file_are_those_at_the_calibrated_threshold(calibrated):
    results = json.loads((calibrated.root / "heatmap_boxes.json").read_text())
    truth = json.loads((calibrated.root / "heatmap_boxes_gt.json").read_text())
    files = {image["id"]: image["file_name"] for image in truth["images"]}
    classes = {c["id"]: c["name"] for c in truth["categories"]}
    records = table(calibrated, "predictions.csv")
    # The files are those of the first method of the config.
    records = records[(records["method"] == "saliency") & (records["reference"] == "class")]
    records = records.set_index(["file_name", "target_class"])
    compared = 0
    for found in results:
        key = files[found["image_id"]], classes[found["category_id"]]
        own = [a["bbox"] for a in truth["annotations"]
               if (files[a["image_id"]], classes[a["category_id"]]) == key]  # fmt: skip
        if key in records.index:
            compared += 1
            best = max(iou(found["bbox"], box) for box in own)
            assert records.loc[key, "box_iou"] == pytest.approx(best, abs=1e-6)
    assert compared == records["box_iou"].notna().sum() > 10


def iou(p, q):
    """Of two boxes (x, y, width, height)."""
    wide = max(0, min(p[0] + p[2], q[0] + q[2]) - max(p[0], q[0]))
    high = max(0, min(p[1] + p[3], q[1] + q[3]) - max(p[1], q[1]))
    return wide * high / (p[2] * p[3] + q[2] * q[3] - wide * high)


def test_figures_at_calibrated_thresholds_stand_beside_the_best(run, calibrated):
    fixed, chosen = (of_pair(table(f)).set_index("class").loc["__all__"] for f in (run, calibrated))
    for name in ("calibrated_mean_iou", "best_mean_iou", "max_box_acc_v2", "pxap", "auc"):
        assert chosen[name] == fixed[name]  # the config's threshold does not change them
    records = own_records(calibrated)
    assert chosen["calibrated_mean_iou"] == pytest.approx(records["mask_iou"].mean())
    assert chosen["calibrated_mean_box_iou"] == pytest.approx(records["box_iou"].mean())
    correct = records["localisation_correct"].astype(float)
    assert chosen["calibrated_localisation_accuracy"] == pytest.approx(correct.mean())
    assert chosen["calibrated_mean_iou"] <= chosen["best_mean_iou"]
    assert chosen["n_calibrated"] == len(records) == 19


def gathered(records, sweeps, digests):
    base = {"method": "gradcam", "layer": "out", "reference": "class", "reason": None}
    records = pd.DataFrame([{**base, **r} for r in records])
    return SimpleNamespace(
        records=records,
        arrays=SimpleNamespace(sweeps=sweeps),
        images=pd.DataFrame({"sha256": digests}),
        pairs=[("gradcam", "out")],
    )


def test_clusters_lie_on_one_side_and_a_lone_half_has_no_threshold():
    names = [f"{k}" for k in range(40)]
    halves = halves_of(names, 3)
    assert 10 < halves.sum() < 30 and (halves_of(names, 4) != halves).any()
    clusters = [0, 0, 2, 2]
    world = gathered([{"cluster": c} for c in clusters], {}, names[:4])
    found = calibrate(world, 3)
    assert list(found.halves) == [halves[0], halves[0], halves[2], halves[2]]
    assert (found.places == -1).all()  # mask_iou was not taken
    alone = gathered([{"cluster": 0}], {"mask_iou_sweep": np.array([[0.1, 0.4]])}, names)
    assert calibrate(alone, 3).places[0] == -1


def test_records_of_other_references_take_a_threshold_but_choose_none():
    names = [f"{k}" for k in range(40)]
    halves = halves_of(names, 0)
    one, other = np.flatnonzero(halves == 0)[0], np.flatnonzero(halves == 1)[:2]
    sweep = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.9]])
    records = [{"cluster": one}, {"cluster": other[0]}, {"cluster": other[1]}]
    records[2]["reference"] = "any_object"
    found = calibrate(gathered(records, {"mask_iou_sweep": sweep}, names), 0)
    assert list(found.places) == [0, 1, 1]


# -- pointing with recall


def test_pointing_with_recall_by_hand():
    rows = [  # half, role, reference, reason, maximum, hit
        (0, "top_k", "class", None, 5.0, True),
        (0, "top_k", "any_object", "no_box", 1.0, None),
        (1, "annotated+top_k", "class", None, 4.0, True),
        (1, "top_k", "class", None, 3.0, False),
        (1, "predicted+top_k", "any_object", None, 2.0, True),
        (1, "top_k", "any_object", None, 0.5, None),
        (1, "top_k", "class", "flat_map", 0.0, None),
        (1, "top_k", "class", None, 4.0, None),  # its maximum lies in an ignored region
        (1, "top_k", "class", "non_finite_map", NAN, None),
        (1, "annotated", "class", None, 4.0, True),  # no prediction of the model's
    ]
    names = ("half", "role", "reference", "reason", "heatmap_scale", "pointing_hit")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    world = gathered(records, {}, [])
    halves = world.records["half"].to_numpy()
    world.records["pointing_hit"] = world.records["pointing_hit"].astype("boolean")
    found = pointing_with_recall(world, Calibration(halves, np.full(len(rows), -1)))
    # The second half by the first's best threshold, which rejects 1 and keeps 5: that is 5.
    assert found.thresholds[2] == 5.0
    expected = [1, 1, 0, 0, 1, 1, 0, NAN, NAN, NAN]
    np.testing.assert_array_equal(found.right[2:], expected[2:])
    # The first by the second's: kept at 4, rejected at 2 and .5.
    assert found.thresholds[0] in (3.0, 4.0) and list(found.right[:2]) == [1, 1]


@pytest.mark.parametrize(
    ("outputs", "rank"), [((3,), 1), ((0,), 2), ((1,), 3), ((2,), 4), ((2, 0), 2)]
)
def test_rank_of_a_class_is_that_of_its_best_output(outputs, rank):
    assert output_rank(outputs, np.float32([0.2, 0.2, 0.1, 0.5])) == rank


# -- COCO


def test_the_files_are_what_coco_reads(run):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(run.root / "heatmap_boxes_gt.json"))
        found = truth.loadRes(str(run.root / "heatmap_boxes.json"))
    assert {c["name"] for c in truth.dataset["categories"]} == {"cat", "dog"}
    crowds = [a for a in truth.dataset["annotations"] if a["iscrowd"]]
    assert len(crowds) == 1
    row = table(run).query("method == 'saliency' and `class` == '__all__'").iloc[0]
    assert row["n_coco_boxes"] == len(found.anns)
    assert row["n_coco_references"] == len(truth.anns) - 1


# -- the config


def test_calibrated_takes_the_sweep_it_needs():
    from audit.stages.score import metric_settings

    values = {
        "audit": {"name": "t"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a", "images": "i"},
        "heatmap": {"threshold": "calibrated"},
        "metrics": ["auc"],
    }
    assert "mask_iou" in metric_settings(Config.model_validate(values)).metrics
