"""The audit as jobs of Kubernetes: what is asked of the API, and what the commands in it do."""

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from audit.stages.workflow import TABLES
from tests.workflow.cluster_environment import python_with
from tests.workflow.fake_kubernetes import kubernetes

REPOSITORY = Path(__file__).resolve().parents[2]
CHECK = Path(__file__).with_name("check_manifests.py")
MODEL = {"inspect", "explain", "sanity", "confirm"}


def checked(manifests):
    """Faults of each."""
    done = subprocess.run(
        [python_with("kubernetes"), CHECK], input=json.dumps(manifests), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def container(manifest):
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    return only


def rules(manifest):
    """Names of the rules that a job may run."""
    words = container(manifest)["args"][1].split()
    after = words[words.index("--allowed-rules") + 1 :]
    return set(after[: next(i for i, w in enumerate(after) if w.startswith("--"))])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, colours, colour_config, write_config):
    """(results folder, manifests, Snakemake's log) of a run through the profile."""
    python = python_with("snakemake_executor_plugin_kubernetes")
    folder = tmp_path_factory.mktemp("on_kubernetes")
    write_config(folder, colour_config(colours, run={"shard_size": 20}))
    options = ["--resources", "gpu=2", "--seconds-between-status-checks", "1"]
    with kubernetes(folder, python, REPOSITORY) as cluster:
        done = subprocess.run(
            [python, "-m", "audit", "run", "audit.yaml", "--profile", "kubernetes", "--cores", "2"]
            + ["--", *options],
            cwd=folder, capture_output=True, text=True, timeout=1800, check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KUBECONFIG": str(cluster.config)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + "\n".join(cluster.output)[-3000:]
    return folder / "reports" / "colours", cluster.manifests


@pytest.mark.slow
def test_every_table_has_the_bytes_of_the_run_on_one_machine(finished, audited):
    own, other = finished[0], audited[1]
    assert [n for n in TABLES if (own / n).read_bytes() != (other / n).read_bytes()] == []


@pytest.mark.slow
def test_kubernetes_would_take_each_job(finished):
    assert checked(finished[1]) == [[]] * len(finished[1])
    assert {rule for m in finished[1] for rule in rules(m)} >= MODEL | {"index", "score", "judge"}


@pytest.mark.slow
def test_cores_memory_and_gpus_are_those_of_the_rules(finished):
    for manifest in finished[1]:
        limits = container(manifest)["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == bool(rules(manifest) & MODEL), rules(manifest)
        if rules(manifest) == {"explain", "score"}:
            # Two shards, one after the other: the cores, the memory and the GPU of one.
            assert (limits["cpu"], limits["memory"]) == ("2000m", "6000M")
            assert limits["nvidia.com/gpu"] == "1"


@pytest.mark.slow
def test_jobs_have_the_image_and_the_volume_of_the_profile(finished):
    profile = yaml.safe_load(
        (REPOSITORY / "workflow/profiles/kubernetes/config.yaml").read_text("utf-8")
    )
    for manifest in finished[1]:
        assert container(manifest)["image"] == profile["container-image"]
        mounts = {m["name"]: m["mountPath"] for m in container(manifest)["volumeMounts"]}
        assert mounts["audit"] == "/audit"
        # Nothing is fetched from anywhere when a pod starts.
        assert "pip install" not in container(manifest)["args"][1]


JOB = {
    "metadata": {"name": "snakejob-1", "labels": {"app": "snakemake"}},
    "spec": {
        "backoffLimit": 0,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "volumes": [{"name": "workdir", "emptyDir": {}}],
                "containers": [
                    {
                        "name": "snakemake",
                        "image": "focus-audit",
                        "volumeMounts": [{"name": "workdir", "mountPath": "/workdir"}],
                        "resources": {
                            "requests": {"cpu": "1900m", "nvidia.com/gpu": "1"},
                            "limits": {"cpu": "2000m", "nvidia.com/gpu": "1"},
                        },
                    }
                ],
            }
        },
    },
}


def broken(change):
    job = copy.deepcopy(JOB)
    change(job, job["spec"]["template"]["spec"], container(job))
    return job


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda job, pod, box: box["resources"].pop("limits"), "nvidia.com/gpu: 1 requested"),
        (lambda job, pod, box: box["resources"]["limits"].update(memory="6 GB"), "no quantity"),
        (lambda job, pod, box: box.update(imagePolicy="x"), "no imagePolicy in V1Container"),
        (lambda job, pod, box: job["spec"].update(backoffLimit="0"), "'0' is no int"),
        (lambda job, pod, box: job["metadata"].update(name="Snake_1"), "name 'Snake_1'"),
        (lambda job, pod, box: pod.update(restartPolicy="Always"), "restartPolicy"),
        (lambda job, pod, box: pod.update(volumes=[]), "no volume workdir"),
    ],
)
def test_the_check_finds_a_fault(change, told):
    whole, (fault, *others) = checked([JOB, broken(change)])
    assert whole == [] and told in fault and not others
