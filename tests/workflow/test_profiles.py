"""What the profiles promise, and what becomes of them on the command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audit.stages.launch import snakemake_command
from tests.workflow.cluster_environment import python_with

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = REPOSITORY / "workflow" / "profiles"
CLUSTERS = ("slurm", "kubernetes")
MODEL = {"inspect", "explain", "confirm", "sanity"}


def profile(name):
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text("utf-8"))


def resources():
    """Rule -> the lines of its resources."""
    text = "\n".join(f.read_text("utf-8") for f in (REPOSITORY / "workflow/rules").glob("*.smk"))
    blocks = re.split(r"^(?:rule|checkpoint) (\w+):", text, flags=re.MULTILINE)
    found = zip(blocks[1::2], blocks[2::2], strict=True)
    return {name: re.search(r"resources:\n((?: {8}.*\n)+)", body)[1] for name, body in found}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_goes_on_after_a_crash_and_tries_again(name):
    values = profile(name)
    assert values["rerun-incomplete"] is True and values["retries"] >= 1
    assert values["latency-wait"] >= 30 and isinstance(values["cores"], int)


@pytest.mark.parametrize("name", CLUSTERS)
def test_groups_are_of_rules_that_there_are(name):
    groups = dict(entry.split("=") for entry in profile(name)["groups"])
    assert set(groups) <= set(resources())
    # A checkpoint, and what others wait for at length, are jobs of their own.
    assert not set(groups) & {"inspect", "index", "judge", "confirm", "sanity"}
    components = dict(entry.split("=") for entry in profile(name)["group-components"])
    assert set(components) <= set(groups.values())


def test_a_second_attempt_has_more_and_the_model_alone_may_have_a_gpu():
    for name, lines in resources().items():
        assert "mem_mb=growing(" in lines and "runtime=growing(" in lines, name
        assert ("gpu=a_gpu" in lines) == (name in MODEL), name


def option(command, name):
    return command[command.index(name) + 1]


@pytest.mark.parametrize(
    ("given", "name", "told"),
    [(None, "default", "all"), (None, "slurm", "8"), ("3", "slurm", "3"), ("all", "slurm", "all")],
)
def test_cores_are_the_profiles_unless_told(given, name, told):
    command = snakemake_command(Path("audit.yaml"), given, name, ())
    assert option(command, "--cores") == told


def test_a_profile_brings_its_executor_along(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    snakemake_command(Path("audit.yaml"), None, "slurm", ())
    assert os.environ["PYTHONPATH"] == "/elsewhere"
    snakemake_command(Path("audit.yaml"), None, "kubernetes", ())
    plugins, other = os.environ["PYTHONPATH"].split(os.pathsep)
    assert other == "/elsewhere" and list(Path(plugins).glob("snakemake_executor_plugin_*"))


def test_the_image_holds_what_the_lock_file_names_and_is_nobodys():
    text = (REPOSITORY / "workflow/container/Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert not any(word in text for word in ("index-url", "http:", "https:", "find-links"))
    last = [line.split()[1] for line in lines if line.startswith("USER ")][-1]
    assert last not in ("root", "0")


@pytest.mark.slow
@pytest.mark.parametrize("name", CLUSTERS)
def test_a_dry_run_needs_no_cluster(name, tmp_path, colours, colour_config, write_config):
    python = python_with(f"snakemake_executor_plugin_{name}")
    write_config(tmp_path, colour_config(colours))
    done = subprocess.run(
        [python, "-m", "audit", "run", "audit.yaml", "--profile", name, "--", "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KUBECONFIG": "/nowhere"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "reports/colours/logs/snakemake.log").read_text("utf-8")
    assert "This was a dry-run" in log and "gpu=" not in log.split("Building DAG")[1]


def test_options_for_snakemake_stand_behind_two_dashes(tmp_path):
    """After options of our own, too."""
    done = subprocess.run(
        [sys.executable, "-m", "audit", "run", "no.yaml", "--cores", "1", "--", "-n", "--quiet"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "no.yaml" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "audit", "metrics", "--", "-n"], cwd=tmp_path, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "unrecognized arguments: -n" in done.stderr
