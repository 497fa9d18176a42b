"""The same tables, byte for byte, however the work is cut, killed or started; slow, a run each."""

import json
import os
import shutil
import subprocess
import sys
import time
from subprocess import DEVNULL

import numpy as np
import pandas as pd
import pytest

from audit.stages.index import _shards
from audit.stages.workflow import TABLES

from .running import REPOSITORY, differing, kill_all, start

pytestmark = pytest.mark.slow


def run(focus_audit, folder, *options):
    done = focus_audit("run", "audit.yaml", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "reports" / "colours"


@pytest.mark.parametrize(("cores", "size", "threads"), [(1, 5000, 2), (1, 10, 1), (2, 20, 2)])
def test_cores_threads_and_shards_change_nothing(
    cores, size, threads, audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    sections = {"run": {"shard_size": size, "threads": threads}}
    write_config(tmp_path, colour_config(colours, **sections))
    root = run(focus_audit, tmp_path, "--cores", cores)
    assert differing(root, audited[1]) == []


def _five_names():
    for k in range(100):
        yield [f"red_{k + i}.png" for i in range(5)]


def _shard_sizes(names, size):
    return [len(rows) for _, rows in _shards([{"file_name": n} for n in names], size)]


def test_a_shard_of_one_image_changes_nothing(
    tmp_path, make_world, colour_config, write_config, focus_audit
):
    names = next(n for n in _five_names() if 1 in _shard_sizes(n, 4))
    world = make_world(tmp_path, full=False)
    for name in names:
        world.add_scene(name, "red")
    roots = []
    for size in (4, 5000):
        folder = tmp_path / str(size)
        folder.mkdir()
        write_config(folder, colour_config(world, run={"shard_size": size}))
        roots.append(run(focus_audit, folder))
    shards = json.loads((roots[0] / "stages/index/manifest.json").read_text())["shards"]
    assert sorted(s["images"] for s in shards)[0] == 1 and len(shards) > 1
    assert differing(*roots) == []


def test_snakemake_itself_does_the_same(audited, tmp_path, colours, colour_config, write_config):
    path = write_config(tmp_path, colour_config(colours))
    away = tmp_path / "away"
    away.mkdir()
    scripts = os.path.dirname(sys.executable)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
        + ["--configfile", path, "--cores", "1"],
        cwd=away, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert differing(away / "reports" / "colours", audited[1]) == []


def test_an_added_image_reruns_its_shard_only(
    tmp_path, make_world, colour_config, write_config, focus_audit
):
    world = make_world(tmp_path, full=False)
    for k in range(8):
        world.add_scene(f"red_{k}.png", "red")
    write_config(tmp_path, colour_config(world, run={"shard_size": 5}))
    root = run(focus_audit, tmp_path)
    explained = root / "stages" / "explain"
    before = {p.name: p.stat().st_mtime_ns for p in explained.iterdir()}
    world.add_scene("late.png", "red")
    run(focus_audit, tmp_path)
    named = {
        s["name"] for s in json.loads((root / "stages/index/manifest.json").read_text())["shards"]
    }
    after = {p.name: p.stat().st_mtime_ns for p in explained.iterdir()}
    fresh = {n.split(".")[0] for n, when in after.items() if before.get(n) != when}
    assert len(named) == 2 and len(fresh & named) == 1 and len(named - fresh) == 1
    assert json.loads((root / "summary.json").read_text())["counts"]["images_audited"] == 9


def test_a_killed_run_goes_on_where_it_stopped(
    audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours, run={"shard_size": 10}))
    root = tmp_path / "reports" / "colours"
    explained, logs = root / "stages" / "explain", root / "logs" / "explain"
    process = start(tmp_path, "run", "audit.yaml", "--cores", 2, stdout=DEVNULL, stderr=DEVNULL)
    try:
        # In the middle: one shard is explained, and the next one has begun.
        end = time.monotonic() + 240
        while not (any(explained.glob("*.records.parquet")) and len(list(logs.glob("*"))) > 1):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
    finally:
        kill_all(tmp_path)
        process.wait()
    first = {p.name: p.stat().st_mtime_ns for p in explained.glob("[0-9a-f]*.parquet")}
    assert first and not any((root / name).exists() for name in TABLES)
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "an earlier run was killed; going on where it stopped" in done.stderr
    kept = [n for n, when in first.items() if (explained / n).stat().st_mtime_ns == when]
    assert kept, "no finished shard was kept"
    assert differing(root, audited[1]) == []
    assert not list(root.rglob("*.part")), "half-written files are left"


def test_a_touched_model_reruns_nothing_and_a_changed_one_everything(
    tmp_path, make_world, colour_model, colour_config, write_config, focus_audit
):
    world = make_world(tmp_path, full=False)
    for k in range(3):
        world.add_scene(f"red_{k}.png", "red")
    model = tmp_path / "model.keras"
    shutil.copy(colour_model, model)
    write_config(tmp_path, colour_config(world, model={"path": str(model)}))
    root = run(focus_audit, tmp_path)
    (shard,) = (root / "stages" / "explain").glob("*.records.parquet")
    when = shard.stat().st_mtime_ns
    os.utime(model)
    run(focus_audit, tmp_path)
    assert shard.stat().st_mtime_ns == when
    import keras

    changed = keras.saving.load_model(model)
    changed.get_layer("names").set_weights([np.eye(3), np.array([0.0, 0, 9])])  # always blue
    changed.save(model)
    run(focus_audit, tmp_path)
    assert shard.stat().st_mtime_ns != when
    assert set(pd.read_csv(root / "predictions.csv")["predicted_class"]) == {"blue"}
