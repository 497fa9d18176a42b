"""A real network on real photographs, on a real Slurm: the bytes of the run on one machine."""

import os
import subprocess
from pathlib import Path

import pytest

from audit.stages.workflow import TABLES
from tests.workflow import one_slurm
from tests.workflow.cluster_environment import python_with

from .sources import KANGAROOS, MOBILENET_V2, NEEDS_DATA

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = NEEDS_DATA


@pytest.fixture
def cluster():
    yield from one_slurm.slurm_or_skip()


def test_kangaroos_in_several_shards(cluster, tmp_path, write_config, focus_audit):
    python = python_with("snakemake_executor_plugin_slurm")
    values = {
        "audit": {"name": "kangaroos"},
        "model": MOBILENET_V2,
        "dataset": KANGAROOS,
        "gate": {"overall": {"min_judged": 0}, "classes": {"flagged": "warn"}, "fitness": "any"},
        "run": {"shard_size": 60},
    }
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        write_config(folder, values)
    done = focus_audit("run", "audit.yaml", cwd=here, timeout=1800)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [python, "-m", "audit", "run", "audit.yaml", "--profile", "slurm", "--cores", "2", "--"]
        + list(one_slurm.OPTIONS),
        cwd=there, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    states = {j["JobState"] for j in cluster.jobs()}
    assert states == {"COMPLETED"} and len(cluster.jobs()) < 10
    own, other = (f / "reports" / "kangaroos" for f in (there, here))
    assert [n for n in TABLES if (own / n).read_bytes() != (other / n).read_bytes()] == []
