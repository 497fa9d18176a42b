"""Faults of the machine: the run is killed, files are damaged, workers die, the clock is wrong."""

import json
import os
import shutil
import signal
import subprocess
import time
from subprocess import DEVNULL

import numpy as np
import pandas as pd
import psutil
import pytest

from .running import ERROR, differing, kill_all, start, wait_for, written

KILLS = 50


# Beginnings of the stages in the order of a run, as the first thing that each leaves.
BEGUN = (
    "stages/.lock",
    *(f"logs/{one}" for one in (
        "inspect.log", "index.log", "explain/*.log", "score/*.log", "judge.log", "confirm.log",
        "sanity.log", "summarise.log", "provenance.log", "verdict.log", "overlays.log",
        "report.log",
    )),
)  # fmt: skip


def seconds_of(reference, begun):
    """How long such a stage took in another run; what Snakemake itself does before it takes some."""
    name = begun.removeprefix("logs/").removesuffix(".log")
    files = (reference / "benchmarks").glob(f"{name}.tsv")
    return max((pd.read_csv(file, sep="\t")["s"].max() for file in files), default=3.0)


@pytest.mark.slow
def test_killed_at_fifty_moments_it_ends_with_the_same_bytes(
    audited, tmp_path, colours, colour_config, write_config
):
    """Each stage in its turn, again and again, at a random moment of its work."""
    write_config(tmp_path, colour_config(colours, run={"shard_size": 20}))
    root, reference = tmp_path / "reports" / "colours", audited[1]
    rng = np.random.default_rng(20)
    kills, ends, hit = 0, 0, set()
    while kills < KILLS or not ends:
        turn = kills % len(BEGUN)
        since = time.time()
        process = start(tmp_path, "run", "audit.yaml", "--cores", 2, stdout=DEVNULL, stderr=DEVNULL)
        if kills < KILLS:
            wait_for(process, root, BEGUN[turn:], since)
        try:
            moment = rng.uniform(0, seconds_of(reference, BEGUN[turn]))
            code = process.wait(moment if kills < KILLS else None)
        except subprocess.TimeoutExpired:
            kill_all(tmp_path)
            process.wait()
            kills += 1
            hit.add(
                max((n for n, one in enumerate(BEGUN) if written(root, [one], since)), default=0)
            )
            continue
        assert code == 0
        assert differing(root, reference) == [] and not list(root.rglob("*.part"))
        ends += 1
        if kills < KILLS:
            shutil.rmtree(root)
    assert len(hit) > len(BEGUN) / 2 and ends > 1, (hit, ends)


# What is spoilt, and the verb that reads it.
READ_BY = {
    "stages/model.json": ("index", []),
    "stages/index/manifest.json": ("judge", []),
    "stages/index/*-*.parquet": ("score", ["--shard"]),
    "stages/explain/*.records.parquet": ("score", ["--shard"]),
    "stages/explain/*.images.parquet": ("judge", []),
    "stages/score/*.parquet": ("judge", []),
    "stages/judge/classes.parquet": ("summarise", []),
    "stages/judge/counts.json": ("summarise", []),
    "stages/confirm/classes.json": ("summarise", []),
    "stages/sanity/fitness.json": ("summarise", []),
    "predictions.parquet": ("overlays", []),
    "summary.json": ("verdict", []),
}


@pytest.mark.slow
@pytest.mark.parametrize("pattern", READ_BY)
def test_a_file_that_was_damaged_after_it_was_written_is_told(
    pattern, audited, tmp_path, focus_audit
):
    """A byte in the middle is turned; of a text, half is lost. Told, or without any effect."""
    root = tmp_path / "colours"
    shutil.copytree(audited[1], root)
    (path,) = root.glob(pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data if path.suffix == ".parquet" else data[: len(data) // 2])
    verb, more = READ_BY[pattern]
    shard = next((root / "stages/index").glob("*-*.parquet")).stem
    given = [*more, shard] if more else []
    done = focus_audit(verb, "--config", root / "stages" / "config.json", *given, cwd=tmp_path)
    if done.returncode == 0:  # the byte was of what nobody reads, as Parquet's own statistics
        assert path.suffix == ".parquet" and differing(root, audited[1]) == []
        return
    assert done.returncode == 2, done.stderr
    (line,) = [s for s in done.stderr.splitlines() if s.startswith(ERROR)]
    assert path.name in line and ("delete it" in line or "focus-audit run CONFIG" in line), line
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_damaged_shard_stops_the_run_and_without_it_the_run_goes_on(
    audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours))
    root = tmp_path / "reports" / "colours"
    assert focus_audit("run", "audit.yaml", cwd=tmp_path).returncode == 0
    (path,) = root.glob("stages/explain/*.records.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    shutil.rmtree(root / "stages" / "score")
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    if done.returncode == 0:  # the byte was of what nobody reads, as Parquet's own statistics
        assert path.suffix == ".parquet" and differing(root, audited[1]) == []
        return
    assert done.returncode == 2, done.stderr
    (line,) = [s for s in done.stderr.splitlines() if s.startswith(ERROR)]
    assert path.name in line and "delete it and run again" in line
    path.unlink()
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert differing(root, audited[1]) == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["explain", "score"])
def test_a_worker_that_is_killed_is_told_and_the_run_goes_on(
    verb, audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours, run={"shard_size": 10}))
    root = tmp_path / "reports" / "colours"
    process = start(tmp_path, "run", "audit.yaml", "--cores", 2)
    end, killed = time.monotonic() + 240, False
    while not killed and process.poll() is None and time.monotonic() < end:
        for one in psutil.Process(process.pid).children(recursive=True):
            try:
                line = one.cmdline()
                if verb in line and any(p.endswith("focus-audit") for p in line):
                    one.send_signal(signal.SIGKILL)
                    killed = True
            except psutil.Error:
                continue
        time.sleep(0.01)
    _, err = process.communicate(timeout=240)
    assert killed and process.returncode == 2, err
    (line,) = [s for s in err.splitlines() if s.startswith(ERROR)]
    assert f"the {verb} stage was killed by SIGKILL, as when memory runs out" in line
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert differing(root, audited[1]) == []


@pytest.mark.slow
def test_a_clock_that_was_set_back_changes_nothing(
    audited, tmp_path, colours, colour_config, write_config, focus_audit
):
    """Files of next month, as after a clock that was wrong: nothing runs for ever, nothing is stale."""
    world = tmp_path / "world"
    shutil.copytree(colours.folder, world)
    values = colour_config(colours)
    values["dataset"]["annotations"] = str(world / "boxes.json")
    values["dataset"]["images"] = str(world / "images")
    write_config(tmp_path, values)
    root = tmp_path / "reports" / "colours"
    assert focus_audit("run", "audit.yaml", cwd=tmp_path).returncode == 0
    future = time.time() + 30 * 86400
    for folder in (world, root):
        for path in folder.rglob("*"):
            os.utime(path, (future, future), follow_symlinks=False)
    for told in (True, False):
        done = focus_audit("run", "audit.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert differing(root, audited[1]) == []
        assert ("files were of the future" in done.stderr) == told
    # What is new is seen, although it looks older than the results.
    values["heatmap"] = {"threshold": 0.4}
    write_config(tmp_path, values)
    assert focus_audit("run", "audit.yaml", cwd=tmp_path).returncode == 0
    assert "predictions.csv" in differing(root, audited[1])
    told = json.loads((root / "provenance.json").read_text())
    assert told["config"]["heatmap"]["threshold"] == 0.4


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, whose size a call sets; needs the right to mount."""
    folder = tmp_path / "reports"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(options, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")

    def change(option):
        subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)

    yield change
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_and_one_that_cannot_be_written(
    audited, small_disk, tmp_path, colours, colour_config, write_config, focus_audit
):
    write_config(tmp_path, colour_config(colours))
    root = tmp_path / "reports" / "colours"
    for size in ("64k", "300k", "700k"):
        small_disk(f"size={size}")
        done = focus_audit("run", "audit.yaml", cwd=tmp_path)
        assert done.returncode == 2, (size, done.stderr)
        (line,) = [s for s in done.stderr.splitlines() if s.startswith(ERROR)]
        assert "No space left on device" in line, line
        assert "Traceback" not in done.stderr and not list(root.rglob("*.part"))
    small_disk("size=100m")
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert differing(root, audited[1]) == []
    small_disk("ro")
    done = focus_audit("run", "audit.yaml", cwd=tmp_path)
    small_disk("rw")
    assert done.returncode == 2
    assert done.stderr == f"{ERROR}reports/colours: cannot be written to: Read-only file system\n"
