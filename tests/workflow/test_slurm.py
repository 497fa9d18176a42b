"""A real Slurm runs the audit: the same bytes as one machine, through jobs and daemons that die."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from audit.stages.workflow import TABLES
from tests.workflow import one_slurm
from tests.workflow.cluster_environment import python_with
from tests.workflow.one_slurm import wait_for

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
# The first attempt has too little for TensorFlow, the second one enough.
MEMORY = "inspect:mem_mb=400 * attempt ** 3"
OPTIONS = [*one_slurm.OPTIONS, "--resources", "gpu=2", "--set-resources", MEMORY]
SHARDS = "rule_shards_explain_score"
MODEL = {"rule_inspect", SHARDS, "rule_sanity", "rule_confirm"}


@pytest.fixture(scope="module")
def cluster():
    yield from one_slurm.slurm_or_skip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, colours, colour_config, write_config):
    folder = tmp_path_factory.mktemp("on_slurm")
    write_config(folder, colour_config(colours, run={"shard_size": 20}))
    return folder


@pytest.fixture(scope="module")
def finished(cluster, folder):
    """The run, through all that befalls it: the jobs that it took, and what was printed."""
    first = _start(folder)
    # Dies of memory and is tried again with more; then the run itself is killed, its job lives on.
    wait_for(lambda: _states(cluster, "rule_index") == ["RUNNING"], 600, "the index")
    _kill(first)
    second = _start(folder)
    try:
        wait_for(lambda: _states(cluster, SHARDS) == ["RUNNING"], 600, "shards")
        subprocess.run(["scancel", _jobs(cluster, SHARDS)[0]["JobId"]], check=True)
        wait_for(lambda: _states(cluster, SHARDS) == ["CANCELLED", "RUNNING"], 600, "shards again")
        cluster.kill_controller()
        cluster.start_controller()
        out, err = second.communicate(timeout=1800)
    finally:
        if second.poll() is None:
            _kill(second)
    assert second.returncode == 0, err[-3000:] + _log(folder)
    return cluster.jobs(), out, err


def test_every_table_has_the_bytes_of_the_run_on_one_machine(finished, folder, audited):
    own, other = folder / "reports" / "colours", audited[1]
    differ = [n for n in TABLES if (own / n).read_bytes() != (other / n).read_bytes()]
    assert differ == []


def test_a_job_that_dies_of_memory_is_tried_again_with_more(finished):
    first, second = (j for j in finished[0] if j["Comment"] == "rule_inspect")
    assert (first["JobState"], first["MinMemoryNode"]) == ("FAILED", "400M")
    assert (second["JobState"], second["MinMemoryNode"]) == ("COMPLETED", "3200M")
    # More time, too.
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:30:00", "01:00:00")


def test_a_killed_run_goes_on_where_it_stopped(finished):
    jobs, _, err = finished
    assert "an earlier run was killed; going on where it stopped" in err
    # What was done before is not done again.
    assert sum(j["Comment"] == "rule_inspect" for j in jobs) == 2


def test_a_cancelled_job_is_tried_again_and_what_ran_beside_a_killed_controller_is_not(finished):
    others = [j for j in finished[0] if j["Comment"] not in ("rule_inspect", "rule_index")]
    assert [j["JobState"] for j in others if j["Comment"] == SHARDS] == ["CANCELLED", "COMPLETED"]
    rest = [(j["Comment"], j["JobState"]) for j in others if j["Comment"] != SHARDS]
    assert len(rest) == len(set(rest)) == 4 and {state for _, state in rest} == {"COMPLETED"}


def test_only_what_runs_the_model_asks_for_a_gpu(finished):
    asked = {j["Comment"] for j in finished[0] if j.get("TresPerJob") == "gres:gpu:1"}
    assert asked == MODEL


def test_shards_in_one_job_come_one_after_the_other(finished):
    job = next(j for j in finished[0] if j["Comment"] == SHARDS)
    # Two shards: the memory and the cores of one, the time of both.
    assert (job["MinMemoryNode"], job["NumCPUs"]) == ("6000M", "2")
    assert job["TimeLimit"] == "10:00:00"


def _start(folder):
    python = python_with("snakemake_executor_plugin_slurm")
    command = [python, "-m", "audit", "run", "audit.yaml", "--profile", "slurm", "--cores", "2"]
    return subprocess.Popen(
        [*command, "--", *OPTIONS], cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _kill(process):
    """SIGKILL to the run and to its Snakemake, not to the jobs, which are slurmd's."""
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]:
        one.send_signal(signal.SIGKILL)
    process.communicate()


def _jobs(cluster, comment):
    return [j for j in cluster.jobs() if j["Comment"] == comment]


def _states(cluster, comment):
    return [j["JobState"] for j in _jobs(cluster, comment)]


def _log(folder):
    return (folder / "reports/colours/logs/snakemake.log").read_text()[-5000:]
