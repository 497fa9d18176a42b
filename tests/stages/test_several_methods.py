"""Tables of a run with several methods and layers, whose maps have different grids."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.config.model import Config
from audit.digest import digest_file
from audit.errors import AuditError
from audit.stages.classes import ALL
from audit.stages.eligibility import NO_VERDICT
from audit.stages.flagged import flagged_table, overlay_name
from audit.stages.gather import configured_order, gather
from audit.stages.overlays import choose
from audit.stages.provenance import run_provenance
from audit.stages.score import KEYS
from audit.tables.parquet import read_table, write_rows

KEYS = list(KEYS)
RUNS = [
    ("center", "none"), ("gradcam", "a/out"), ("gradcam", "b/out"), ("saliency", "input"),
    ("uniform", "none"),
]  # fmt: skip
BASELINES = ["center", "uniform"]
TABLES = (
    "predictions.csv", "per_class.csv", "flagged.csv", "thresholds.csv", "excluded.csv",
    "methods.csv", "methods_agreement.csv", "overlays/index.csv",
)  # fmt: skip


def table(run, name):
    return pd.read_csv(run.root / name)


def of(frame, method, layer):
    return frame[(frame["method"] == method) & (frame["layer"] == layer)].reset_index(drop=True)


# -- tables


def test_each_record_is_there_once_and_in_order(several):
    found = table(several, "predictions.csv")
    assert list(map(tuple, found[KEYS].to_numpy())) == sorted(several.maps)


def test_classes_and_thresholds_have_rows_for_each_method_and_layer(several):
    classes = table(several, "per_class.csv")
    expected = [(c, *run) for run in RUNS for c in ("cat", "dog", ALL)]
    assert list(map(tuple, classes[["class", "method", "layer"]].to_numpy())) == expected
    thresholds = table(several, "thresholds.csv")
    keys = ["class", "method", "layer", "threshold"]
    assert list(map(tuple, thresholds[keys].to_numpy())) == [
        (*row, t) for row in expected for t in (0.2, 0.5)
    ]


@pytest.mark.parametrize("run", [r for r in RUNS if r[0] not in BASELINES])
def test_what_a_method_says_does_not_depend_on_the_others(run, several, stage_files):
    """Its rows, intervals and corrected verdicts too, are those of a run with it alone."""
    alone = stage_files(runs={run: several.runs[run]}).finish()
    for name in ("predictions.csv", "per_class.csv", "thresholds.csv"):
        own, other = of(table(several, name), *run), table(alone, name)
        pd.testing.assert_frame_equal(own, other, check_exact=True, check_dtype=False)
    flagged = of(table(several, "flagged.csv"), *run).drop(columns="overlay")
    other = table(alone, "flagged.csv").drop(columns="overlay")
    pd.testing.assert_frame_equal(flagged, other, check_exact=True, check_dtype=False)
    assert not (alone.root / "methods.csv").exists()


def test_shards_change_nothing(several, stage_files):
    one = stage_files(shards=1).finish()
    for name in TABLES:
        assert (one.root / name).read_bytes() == (several.root / name).read_bytes(), name


def test_a_class_is_judged_in_each_method(several):
    classes = table(several, "per_class.csv").set_index(["class", "method", "layer"])
    own = [r for r in RUNS if r[0] not in BASELINES]
    assert all(classes.loc[("dog", *run), "verdict"] == "flagged" for run in own)
    assert not any(classes.loc[("cat", *run), "verdict"] == "flagged" for run in own)


def test_baselines_have_figures_but_no_verdict(several):
    classes = table(several, "per_class.csv")
    rows = classes[classes["method"].isin(BASELINES)]
    assert rows["verdict"].isna().all() and rows["q_value"].isna().all()
    assert set(rows["reason"]) == {NO_VERDICT}
    assert rows["pointing_accuracy"].notna().all() and rows["mean_iou"].notna().all()
    focused = table(several, "predictions.csv").query("method == 'center'")["background_focused"]
    assert focused.eq(True).any()  # and yet:
    assert not table(several, "flagged.csv")["method"].isin(BASELINES).any()


def test_accuracy_is_of_images_and_the_same_in_each_method(several):
    """Eight cats, one in both.png (predicted dog, which is annotated there), other.png, crowd.png."""
    classes = table(several, "per_class.csv")
    for name, right in (("cat", 10 / 11), ("dog", 1.0), (ALL, 18 / 19)):
        rows = classes[classes["class"] == name]
        assert len(rows) == len(RUNS) and rows["accuracy"].tolist() == pytest.approx([right] * 5)
    assert set(classes.loc[classes["class"] == ALL, "n_images"]) == {18 + 1}


def test_accuracy_of_many_labels_counts_a_record_once(stage_files):
    run = stage_files(output="sigmoid").finish()
    found = table(run, "per_class.csv")
    records = {k[:2] for k in run.maps if k[:2] != ("other.png", "dog")}
    wrong = {("both.png", "cat"), ("other.png", "cat")}
    right = 1 - len(wrong) / len(records)
    assert found.loc[found["class"] == ALL, "accuracy"].tolist() == pytest.approx([right] * 5)


# -- summary


def test_counts_add_up(several):
    summary = several.summary()
    counts, methods = summary["counts"], summary["methods"]
    assert (counts["images_in"], counts["images_audited"], counts["images_excluded"]) == (20, 19, 1)
    assert counts["targets"] == 21 and counts["records"] == 21 * len(RUNS)
    for name in ("records", "records_scored", "records_eligible"):
        assert counts[name] == sum(m["counts"][name] for m in methods)
    for reasons in ("records_unscored", "records_not_eligible"):
        assert counts[reasons] == dict(
            sum((Counter(m["counts"][reasons]) for m in methods), Counter())
        )
    for m in methods:
        own = m["counts"]
        assert own["records"] == 21
        assert own["records"] == own["records_scored"] + sum(own["records_unscored"].values())
        assert own["records"] == own["records_eligible"] + sum(own["records_not_eligible"].values())


def test_a_record_that_is_missing_is_noticed(stage_files):
    run = stage_files()
    path = run.layout.explained(run.names[0])
    rows = read_table(path)
    write_rows(path, rows.schema, rows.to_pylist()[:-1])
    with pytest.raises(RuntimeError, match="a record is missing"):
        run.finish()


def test_a_record_that_is_there_twice_is_noticed(stage_files):
    run = stage_files()
    path = run.layout.explained(run.names[0])
    rows = read_table(path)
    again = rows.to_pylist()
    write_rows(path, rows.schema, [*again, again[-1]])
    with pytest.raises(AuditError, match="is explained twice"):
        run.finish()


def test_the_summary_lists_methods_as_the_config_does_and_the_first_speaks(several):
    summary = several.summary()
    listed = [(m["method"], m["layer"], m["level"]) for m in summary["methods"]]
    assert listed == [
        ("saliency", "input", "input"), ("gradcam", "b/out", "layer"), ("gradcam", "a/out", "layer"),
        ("uniform", "none", "baseline"), ("center", "none", "baseline"),
    ]  # fmt: skip
    first = summary["methods"][0]
    for name in ("pointing_accuracy", "background_focused_rate", "verdicts"):
        assert summary[name] == first[name]
    assert first["verdicts"]["flagged"] == ["dog"]
    for m in summary["methods"][3:]:
        assert m["background_focused_rate"] is None
        assert m["verdicts"] == {
            "flagged": [], "inconclusive": [], "insufficient": [], "pass": [],
        }  # fmt: skip


def test_methods_that_do_not_agree_on_a_class_are_told(several):
    classes = table(several, "per_class.csv")
    told = classes[classes["verdict"].notna()].groupby("class")["verdict"].nunique()
    differ = several.summary()["verdicts_differ"]
    assert sorted(differ) == sorted(told.index[told > 1])
    for name, rows in differ.items():
        for row in rows:
            own = of(classes, row["method"], row["layer"]).set_index("class")
            assert own.loc[name, "verdict"] == row["verdict"]


def test_baselines_come_last_in_the_order_even_where_the_config_has_them_first(several):
    values = several.config.model_dump()
    values["explain"]["method"] = ["center", "gradcam", "saliency", "uniform"]
    order = configured_order(RUNS, Config.model_validate(values), several.found)
    assert order == [
        ("gradcam", "b/out"), ("gradcam", "a/out"), ("saliency", "input"),
        ("center", "none"), ("uniform", "none"),
    ]  # fmt: skip


# -- maps in memory


def test_maps_come_back_and_take_no_more_than_the_tables_hold(several):
    gathered = gather(several.layout, several.names)
    scored = gathered.records["status"] == "scored"
    assert ((gathered.arrays.places >= 0) == scored).all()
    for (method, layer), group in gathered.arrays.maps.items():
        assert group.grid == several.runs[method, layer]
        cells = group.grid[0] * group.grid[1]
        mine = (
            scored & (gathered.records["method"] == method) & (gathered.records["layer"] == layer)
        )
        held = [group.relative, group.scales, group.weights_inside, group.weights_view]
        assert sum(a.nbytes for a in held) == mine.sum() * (cells * (2 + 4 + 4) + 4)
        rows = np.flatnonzero(mine)
        maps = group.heatmaps(gathered.arrays.places[rows])
        for row, a in zip(rows, maps, strict=True):
            key = tuple(gathered.records.iloc[row][KEYS])
            np.testing.assert_allclose(
                a.reshape(group.grid), several.maps[key], rtol=1e-3, atol=1e-7
            )


def test_weights_boxes_views_and_sweeps_are_the_records_own(several):
    gathered = gather(several.layout, several.names)
    stored = [r for s in several.names for r in read_table(several.layout.scores(s)).to_pylist()]
    stored = {tuple(r[k] for k in KEYS): r for r in stored}
    for row, key in enumerate(map(tuple, gathered.records[KEYS].to_numpy())):
        expected = stored[key]
        np.testing.assert_array_equal(gathered.arrays.boxes.of(row).ravel(), expected["boxes"])
        np.testing.assert_array_equal(gathered.arrays.views[row], expected["view"])
        sweep = gathered.arrays.sweeps["mask_iou_sweep"][row]
        np.testing.assert_array_equal(sweep, expected["mask_iou_sweep"] or [np.nan] * 2)
        place = gathered.arrays.places[row]
        if place >= 0:
            group = gathered.arrays.maps[key[2:]]
            np.testing.assert_array_equal(group.weights_inside[place], expected["weights_inside"])
            np.testing.assert_array_equal(group.weights_view[place], expected["weights_view"])


def test_scores_of_other_records_are_refused(stage_files):
    run = stage_files().finish()
    first, path = run.names[0], run.layout.scores(run.names[0])
    rows = read_table(path)
    swapped = rows.to_pylist()
    swapped[0]["layer"], swapped[1]["layer"] = swapped[1]["layer"], swapped[0]["layer"]
    write_rows(path, rows.schema, swapped)
    with pytest.raises(AuditError, match=f"{first}.*not those of the explained shard"):
        gather(run.layout, run.names)


def test_one_method_at_one_layer_has_one_grid(stage_files):
    run = stage_files()
    path = run.layout.explained(run.names[0])
    rows = read_table(path)
    other = rows.to_pylist()
    other[0] |= {"grid_height": 2, "grid_width": 8}
    write_rows(path, rows.schema, other)
    with pytest.raises(AuditError, match="center at none: its maps have several grids"):
        run.finish()


# -- pictures


def test_flagged_pictures_are_dealt_out_to_all_methods(several):
    """Five pictures, three methods and layers: two, two and one, each its worst ones."""
    flagged = table(several, "flagged.csv")
    drawn = flagged[flagged["overlay"].notna()]
    counts = drawn.groupby(["method", "layer"]).size()
    assert dict(counts) == {
        ("saliency", "input"): 2,
        ("gradcam", "b/out"): 2,
        ("gradcam", "a/out"): 1,
    }
    for _, rows in flagged.groupby(["method", "layer"]):
        told = rows["overlay"].notna().to_numpy()
        assert (np.diff(told.astype(int)) <= 0).all()  # the first of each
    ranks = [int(path.split("_")[1]) for path in drawn["overlay"]]
    assert ranks == [k + 1 for k in drawn.index]  # the row of flagged.csv


def test_a_method_with_few_flagged_records_leaves_its_pictures_to_the_others():
    rows = [("gradcam", "out", k) for k in range(4)] + [("rise", "input", 9)]
    records = pd.DataFrame(rows, columns=["method", "layer", "energy_skill"]).assign(
        file_name=[f"{k}.jpg" for k in range(5)], target_class="cat", eligible=True,
        predicted_score=0.5, background_focused=True,
    )  # fmt: skip
    found = flagged_table(records, 3, [("rise", "input"), ("gradcam", "out")])
    assert found["method"].tolist() == ["gradcam"] * 4 + ["rise"]
    assert found["overlay"].notna().tolist() == [True, True, False, False, True]


def test_the_sample_shows_the_same_images_by_every_method(several):
    """Six pictures, three methods and layers: two images by all of them, or the next one begins."""
    index = table(several, "overlays/index.csv")
    sample = index[index["kind"] == "sample"]
    assert len(sample) <= 6 and not index["method"].isin(BASELINES).any()
    predictions = table(several, "predictions.csv").set_index(KEYS)
    for (file, target), rows in sample.groupby(["file_name", "target_class"]):
        fine = [
            run for run in RUNS
            if run[0] not in BASELINES
            and predictions.loc[(file, target, *run), "status"] == "scored"
            and predictions.loc[(file, target, *run), "background_focused"] is not True
        ]  # fmt: skip
        assert list(zip(rows["method"], rows["layer"], strict=True)) == fine


def test_the_sample_is_a_random_one_of_all_images(several):
    """Nine images by two methods, four pictures: any two images, not the first ones."""
    rows = [(f"{k}.jpg", "cat", m, "out") for k in range(9) for m in ("gradcam", "layercam")]
    records = pd.DataFrame(rows, columns=KEYS).assign(
        status="scored", background_focused=False, eligible=True, energy_skill=0.5,
        predicted_score=0.5,
    )  # fmt: skip
    values = several.config.model_dump() | {"report": {"overlays_sample": 4}}
    drawn = Counter()
    for seed in range(40):
        config = Config.model_validate(values | {"audit": {"name": "t", "seed": seed}})
        chosen = choose(records, flagged_table(records, 3, sorted({r[2:] for r in rows})), config)
        images = [r["file_name"] for r in chosen]
        assert images[0] == images[1] != images[2] == images[3]
        drawn.update(images[::2])
    assert len(drawn) == 9 and max(drawn.values()) < 25


def test_pictures_are_drawn_under_names_of_their_own(several):
    index = table(several, "overlays/index.csv")
    assert index["overlay"].is_unique and not index.duplicated(KEYS).any()
    assert index["note"].isna().all()
    drawn = sorted(p.name for p in (several.root / "overlays").glob("*.jpg"))
    assert drawn == sorted(path.removeprefix("overlays/") for path in index["overlay"])
    for path, method, layer in zip(index["overlay"], index["method"], index["layer"], strict=True):
        assert f"_{method}_{layer.replace('/', '_')}_" in path
        assert Image.open(several.root / path).size[0] > 100
    flagged = table(several, "flagged.csv").set_index("overlay")
    for row in index[index["kind"] == "flagged"].itertuples():
        assert flagged.loc[row.overlay, KEYS].tolist() == [getattr(row, k) for k in KEYS]


def test_names_of_pictures_tell_records_apart():
    keys = [
        ("a.jpg", "x"), ("a.jpg", "x", "gradcam", "out"), ("a.jpg", "x", "gradcam", "in/out"),
        ("a.jpg", "x", "rise", "out"), ("a.jpg", "x", "gradcam", "a/" + "x" * 40),
        ("a.jpg", "x", "gradcam", "b/" + "x" * 40),
    ]  # fmt: skip
    names = {overlay_name("sample", 1, *key) for key in keys}
    assert len(names) == len(keys) and max(map(len, names)) < 160


def test_a_run_of_baselines_alone_has_no_pictures(stage_files):
    run = stage_files(runs={("center", "none"): (4, 4), ("uniform", "none"): (4, 4)}).finish()
    assert len(table(run, "flagged.csv")) == len(table(run, "overlays/index.csv")) == 0
    assert run.summary()["verdicts"]["flagged"] == []
    predictions = read_table(run.root / "predictions.parquet").to_pandas()
    assert choose(predictions, flagged_table(predictions, 5, RUNS), run.config) == []


# -- the even map


def in_boxes(objects, target, width):
    """Share of pixels inside the boxes of a class, pixel by pixel."""
    own = [o for o in objects if o["class_name"] == target]
    hits = [
        any(o["x0"] <= x + 0.5 < o["x1"] and o["y0"] <= y + 0.5 < o["y1"] for o in own)
        for y in range(30)
        for x in range(width)
    ]
    return np.mean(hits)


def expected_by_hand(several):
    rows = {}
    for shard in several.names:
        for image in read_table(several.layout.index(shard)).to_pylist():
            for name in ("cat", "dog"):
                key = (image["file_name"], name, "uniform", "none")
                if key in several.maps:
                    rows[key] = in_boxes(image["objects"], name, image["width"])
    return {k: v for k, v in rows.items() if k[0] not in ("crowd.png", "broken.png") and v > 0}


def test_an_even_map_is_scored_by_what_it_is_expected_to_reach(several):
    predictions = table(several, "predictions.csv").set_index(KEYS)
    expected = expected_by_hand(several)
    assert len(expected) == 18 + 1
    for key, share in expected.items():
        row = predictions.loc[key]
        assert row["status"] == "scored" and row["pointing_note"] == "even"
        assert pd.isna(row[["pointing_hit", "pointing_hit_0px", "pointing_hit_15px"]]).all()
        assert pd.isna(row[["background_focused", "point_x", "point_y", "pointing_tied"]]).all()
        told = row[["area_fraction", "energy_in_box", "pointing_chance", "mask_iou"]]
        assert told.tolist() == pytest.approx([share] * 4, abs=1e-12)
        assert row["energy_skill"] == 0 and row["energy_in_box"] == row["area_fraction"]
        assert row["box_iou"] >= share - 1e-12  # of the best box alone: the same where there is one
        assert row["ineligible_reason"] in ("no_maximum", "several_classes", "wrong_prediction")


def test_a_class_of_even_maps_hits_as_often_as_expected(several):
    classes = of(table(several, "per_class.csv"), "uniform", "none").set_index("class")
    expected = expected_by_hand(several)
    for name in ("cat", "dog", ALL):
        shares = [v for k, v in expected.items() if name in (k[1], ALL)]
        row = classes.loc[name]
        assert row["pointing_accuracy"] == pytest.approx(np.mean(shares), abs=1e-12)
        assert row["pointing_skill"] == 0 and row["energy_skill"] == 0
        assert (
            row["pointing_accuracy_low"] < row["pointing_accuracy"] < row["pointing_accuracy_high"]
        )
        assert row["n_eligible"] == 0


def test_a_map_that_is_flat_by_accident_stays_unscored(several):
    row = (
        table(several, "predictions.csv")
        .set_index(KEYS)
        .loc[("cat_04.png", "cat", "saliency", "input")]
    )
    assert (row["status"], row["reason"]) == ("unscored", "flat_map")
    assert pd.isna(row[["energy_in_box", "mask_iou", "pointing_hit", "pointing_note"]]).all()


def test_tables_of_an_earlier_run_with_several_methods_go(stage_files):
    run = stage_files(runs={("gradcam", "a/out"): (4, 4)})
    for name in ("methods.csv", "methods_agreement.csv"):
        (run.root / name).write_text("old")
    run.finish()
    assert not list(run.root.glob("methods*.csv"))


def test_provenance_has_the_digests_of_the_tables_of_methods_too(several, stage_files):
    alone = stage_files(runs={("gradcam", "a/out"): (4, 4)}).finish()
    for run, further in ((several, {"methods.csv", "methods_agreement.csv"}), (alone, set())):
        run_provenance(run.config, run.layout, run.manifest, run.found)
        tables = json.loads((run.root / "provenance.json").read_text())["hashes"]["tables"]
        assert {name for name in tables if name.startswith("methods")} == further
        assert all(digest_file(run.root / name) == digest for name, digest in tables.items())
