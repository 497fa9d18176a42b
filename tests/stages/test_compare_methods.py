"""Methods beside each other: figures on the same records, and rank correlations of their maps."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from audit.cli import main
from audit.stages.compare_methods import area_average, correlation, ranks
from audit.tables.atomic import write_json
from audit.tables.parquet import read_table, write_rows

REPOSITORY = Path(__file__).resolve().parents[2]
# As the config lists them, baselines last.
ORDER = [
    ("saliency", "input"), ("gradcam", "b/out"), ("gradcam", "a/out"), ("uniform", "none"),
    ("center", "none"),
]  # fmt: skip
# Scored under all methods: not the crowd alone, nor the one whose saliency is flat.
LEFT_OUT = [("cat_04.png", "cat"), ("crowd.png", "cat")]


def methods(run):
    return pd.read_csv(run.root / "methods.csv")


def common(run):
    """(file, class) of the annotated records that every method could score."""
    found = sorted({key[:2] for key in run.maps} - {("other.png", "dog")})
    return [key for key in found if key not in LEFT_OUT]


# -- the table


def test_methods_stand_in_the_configs_order_with_baselines_last(several):
    found = methods(several)
    assert list(zip(found["method"], found["layer"], strict=True)) == ORDER
    assert found["level"].tolist() == ["input", "layer", "layer", "baseline", "baseline"]
    assert found["grid"].tolist() == ["8x10", "3x5", "4x4", "4x4", "4x4"]


def test_all_are_compared_on_the_same_records(several):
    found = methods(several)
    assert set(found["n_records"]) == {18} == {len(common(several))}
    assert set(found["n_left_out"]) == {2} == {len(LEFT_OUT)}


def test_figures_are_means_over_those_records(several):
    """From predictions.csv, one by one; an even map's hits are the chance."""
    predictions = pd.read_csv(several.root / "predictions.csv")
    predictions = predictions.set_index(["file_name", "target_class", "method", "layer"])
    found = methods(several).set_index(["method", "layer"])
    skills = {
        key: [predictions.loc[(*key, *run), "energy_skill"] for run in ORDER]
        for key in common(several)
    }
    for run in ORDER:
        rows = predictions.loc[[(*key, *run) for key in common(several)]]
        column = "pointing_chance" if run[0] == "uniform" else "pointing_hit"
        hits = rows[column].astype(float).mean()
        chance = rows["pointing_chance"].mean()
        told = [v[ORDER.index(run)] for v in skills.values() if not np.isnan(v).any()]
        expected = {
            "pointing_accuracy": hits,
            "pointing_chance": chance,
            "pointing_skill": (hits - chance) / (1 - chance),
            "energy_in_box": rows["energy_in_box"].mean(),
            "energy_skill": np.mean(told),
            "mean_iou": rows["mask_iou"].mean(),
            "mean_box_iou": rows["box_iou"].mean(),
        }
        for name, value in expected.items():
            assert found.loc[run, name] == pytest.approx(value, abs=1e-12), (run, name)
        assert found.loc[run, "n_pointing"] == 18
        assert found.loc[run, "n_energy_skill"] == len(told)


def test_a_figure_that_one_method_cannot_tell_is_left_out_for_all(stage_files):
    """A hit or a skill that is unknown under one method does not count for the others."""
    run = stage_files().finish()
    path = run.layout.scores(run.names[0])
    rows = read_table(path)
    changed = rows.to_pylist()
    first = next(r for r in changed if r["method"] == "gradcam" and r["status"] == "scored")
    first |= {"pointing_hit": None, "pointing_note": "in_ignored", "energy_skill": None}
    before = set(methods(run)["n_energy_skill"])
    write_rows(path, rows.schema, changed)
    assert main(["compare-methods", str(run.root)]) == 0
    found = methods(run)
    assert set(found["n_pointing"]) == {17} and set(found["n_records"]) == {18}
    assert {n - 1 for n in before} == set(found["n_energy_skill"])
    assert found["energy_skill"].notna().all()


def test_metrics_that_were_not_chosen_are_empty(stage_files):
    run = stage_files()
    values = json.loads(run.layout.config.read_text()) | {"metrics": ["area"]}
    run.config = type(run.config).model_validate(values)
    found = methods(run.finish())
    assert found[["mean_iou", "mean_box_iou"]].isna().all(axis=None)
    assert found["pointing_accuracy"].notna().all()


# -- seconds


def timing(run, shard, images, **seconds):
    told = {name.replace("__", "|"): s for name, s in seconds.items()}
    write_json(run.layout.timing(shard), {"images": images, "seconds": told})


def test_seconds_are_those_of_an_image_over_all_shards(stage_files, capsys):
    run = stage_files()
    one, two = run.names
    timing(run, one, 10, forward=1.0, saliency__input=3.0, center__none=0.0)
    timing(run, two, 30, forward=1.0, saliency__input=5.0, center__none=0.0)
    found = methods(run.finish()).set_index("method")["seconds_per_image"]
    assert found["saliency"] == 0.2 and found["center"] == 0
    assert found[["gradcam", "uniform"]].isna().all()
    assert main(["compare-methods", str(run.root)]) == 0
    assert "forward pass that all share, 0.05 s" in capsys.readouterr().out


def test_without_a_note_of_the_time_the_column_is_empty(several):
    assert methods(several)["seconds_per_image"].isna().all()


# -- agreement


def common_grid(first, second):
    """Two maps on the coarser of their grids, axis by axis, over a raster that both divide."""
    small = tuple(min(pair) for pair in zip(first.shape, second.shape, strict=True))
    out = []
    for a in (first, second):
        fine = np.kron(a.astype(np.float64), np.ones(small))
        rows, cols = (f // s for f, s in zip(fine.shape, small, strict=True))
        out.append(fine.reshape(small[0], rows, small[1], cols).mean(axis=(1, 3)))
    return [np.round(a / a.max(), 9) for a in out]


def slow_agreement(run, first, second):
    """SciPy's correlations, record by record; maps as float16 holds them."""
    found = []
    for key in common(run):
        maps = [run.maps[(*key, *r)] for r in (first, second)]
        stored = [(a / a.max()).astype(np.float16) * a.max() for a in maps]
        a, b = common_grid(*stored)
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            found.append(stats.spearmanr(a.ravel(), b.ravel()).statistic)
    return found


def test_agreement_is_scipys_spearman(several):
    found = pd.read_csv(several.root / "methods_agreement.csv")
    found = found.set_index(["method_a", "layer_a", "method_b", "layer_b"])
    assert list(found.index) == [(*a, *b) for a in ORDER for b in ORDER]
    for a in ORDER:
        for b in ORDER:
            rho, row = slow_agreement(several, a, b), found.loc[(*a, *b)]
            assert (row["n"], row["n_constant"]) == (len(rho), 18 - len(rho))
            assert row["spearman"] == pytest.approx(np.mean(rho) if rho else np.nan, nan_ok=True)
            if a == b and rho:
                assert row["spearman"] == 1
    assert 0 < found.loc[(*ORDER[0], *ORDER[2]), "spearman"] < 1


def test_agreement_in_the_table_is_with_the_first_of_the_config(several):
    agreement = pd.read_csv(several.root / "methods_agreement.csv")
    first = agreement[(agreement["method_b"] == "saliency") & (agreement["layer_b"] == "input")]
    found = methods(several)
    for own, other in (("agreement", "spearman"), ("n_agreement", "n"), ("n_constant",) * 2):
        np.testing.assert_array_equal(found[own], first[other])
    assert found.loc[3, ["n_agreement", "n_constant"]].tolist() == [0, 18]  # uniform


@pytest.mark.parametrize("seed", range(20))
def test_ranks_share_ties(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, [[3], [8], [40]], (2, 3, 30)).astype(float)
    np.testing.assert_array_equal(ranks(a), stats.rankdata(a, axis=1) - 15.5)
    expected = [stats.spearmanr(*pair).statistic for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(correlation(ranks(a), ranks(b)), expected, atol=1e-12)


def test_a_constant_map_agrees_with_nothing():
    a = ranks(np.array([[1.0, 1, 1], [1, 2, 3]]))
    assert np.isnan(correlation(a, a)).tolist() == [True, False]


@pytest.mark.parametrize("grid", [(7, 7), (4, 7), (3, 5), (1, 1), (7, 2)])
def test_averages_are_of_areas(grid):
    """Each coarse cell by hand, over a raster that both grids divide; up to a factor."""
    maps = np.random.default_rng(0).random((3, 7, 10)).astype(np.float32)
    fine = np.kron(maps, np.ones((1, *grid)))
    rows, cols = fine.shape[1] // grid[0], fine.shape[2] // grid[1]
    expected = fine.reshape(3, grid[0], rows, grid[1], cols).mean(axis=(2, 4))
    found = area_average(maps, grid)
    scale = expected.max(axis=(1, 2)) / found.max(axis=(1, 2))
    np.testing.assert_allclose(found * scale[:, None, None], expected, rtol=1e-6)


def test_averages_that_are_equal_but_for_rounding_are_tied():
    """Thirds have no exact sum; as computed, a map of one value would have ranks."""
    maps = np.full((1, 10, 10), np.float32(0.1))
    assert not ranks(area_average(maps, (3, 7)).reshape(1, -1)).any()
    assert not ranks(area_average(np.zeros((1, 10, 10)), (3, 7)).reshape(1, -1)).any()


# -- the verb


def test_the_verb_writes_what_the_run_wrote(stage_files, several, capsys):
    root = several.root.parent / "copy"
    shutil.copytree(several.root, root)
    tables = [root / "methods.csv", root / "methods_agreement.csv"]
    before = [t.read_bytes() for t in tables]
    for t in tables:
        t.unlink()
    assert main(["compare-methods", str(root)]) == 0
    assert [t.read_bytes() for t in tables] == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["method", "layer", "grid"]
    assert [tuple(line.split()[:2]) for line in lines[1:6]] == ORDER
    assert "18 records, scored under all 5; 2 left out." in lines
    assert any("with saliency at input" in line for line in lines)
    assert not any("forward" in line for line in lines)


def test_a_config_leads_to_its_results(several, tmp_path, capsys):
    values = json.loads(several.layout.config.read_text())
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(values))
    assert main(["compare-methods", str(tmp_path / "audit.yaml")]) == 0
    assert "saliency" in capsys.readouterr().out


def test_the_table_goes_where_it_is_asked_to(several, tmp_path):
    before = sorted(p.name for p in several.root.iterdir())
    assert main(["compare-methods", str(several.root), "--output", str(tmp_path / "m.csv")]) == 0
    assert (tmp_path / "m.csv").read_bytes() == (several.root / "methods.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "m_agreement.csv")) == 25
    assert sorted(p.name for p in several.root.iterdir()) == before


def test_a_run_with_one_method_is_told_in_one_line(stage_files, capsys):
    run = stage_files(runs={("gradcam", "a/out"): (4, 4)}).finish()
    capsys.readouterr()
    assert main(["compare-methods", str(run.root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"focus-audit: error: {run.root}") and "one method at one layer" in line
    assert not list(run.root.glob("methods*.csv"))


@pytest.mark.parametrize("missing", ["", "summary.json", "stages/config.json", "stages/model.json"])
def test_a_run_that_is_not_there_is_told_in_one_line(missing, several, tmp_path, capsys):
    root = tmp_path / "copy"
    if missing:
        shutil.copytree(several.root, root)
        (root / missing).unlink()
    assert main(["compare-methods", str(root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"focus-audit: error: {root}")
    assert ("no finished run" if missing else "no such config or results folder") in line


def test_damaged_stage_files_are_told_in_one_line(several, tmp_path, capsys):
    shutil.copytree(several.root, tmp_path / "copy")
    (shard, _) = sorted((tmp_path / "copy/stages/score").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:200])
    assert main(["compare-methods", str(tmp_path / "copy")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(shard) in line and "run again" in line


def test_the_verb_imports_neither_tensorflow_nor_scipy_stats(several, tmp_path):
    code = (
        "import sys; from audit.cli import main; main(sys.argv[1:])\n"
        "print([m for m in ('tensorflow', 'keras', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "compare-methods", several.root, "--output", tmp_path / "m.csv"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_nothing_in_common_is_said_and_no_figure_is_made_up(stage_files, capsys):
    run = stage_files().finish()
    for shard in run.names:
        path = run.layout.scores(shard)
        rows = read_table(path)
        changed = rows.to_pylist()
        for row in changed:
            if row["method"] == "saliency":
                row |= {"status": "unscored", "reason": "flat_map"}
        write_rows(path, rows.schema, changed)
    capsys.readouterr()
    assert main(["compare-methods", str(run.root)]) == 0
    assert "0 records, scored under all 5; 20 left out." in capsys.readouterr().out
    found = methods(run)
    assert set(found["n_records"]) == set(found["n_agreement"]) == {0}
    empty = ["pointing_accuracy", "pointing_skill", "energy_skill", "mean_iou", "agreement"]
    assert found[empty].isna().all(axis=None)
