"""The workflow's own linters, and what its rules promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audit.config.load import load_config, settings_digest
from audit.config.model import RUN_OF_MODEL

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RULES = sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))


def run(*command, cwd=REPOSITORY):
    return subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_snakemake_lint_is_clean(tmp_path):
    """Away from the clone, so that nothing there is written or found by chance."""
    done = run(
        sys.executable, "-m", "snakemake", "--lint", "--snakefile", REPOSITORY / "Snakefile",
        "--configfile", REPOSITORY / "configs" / "lint.yaml", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "good condition" in done.stdout + done.stderr


def test_snakefmt_is_clean():
    done = run(BIN / "snakefmt", "--check", "Snakefile", "workflow")
    assert done.returncode == 0, done.stderr


def blocks():
    """(name, text) of every rule that does work."""
    for file in RULES:
        for text in re.split(r"\n(?=rule |checkpoint )", file.read_text()):
            found = re.match(r"(?:rule|checkpoint) (\w+):", text)
            if found:
                yield pytest.param(text, id=found[1])


@pytest.mark.parametrize("text", list(blocks()))
def test_a_rule_is_documented_logged_measured_and_one_verb(text):
    assert re.search(r':\n    """[A-Z].*\."""', text)
    for part in ("output:", "log:", "benchmark:", "threads:", "resources:", "params:"):
        assert f"    {part}" in text, part
    assert text.count("focus-audit ") == 1 and "--log {log:q}" in text
    # What a rule depends on and Snakemake cannot see: the package's source and the config.
    assert "AUDIT.digest(" in text


def test_there_is_one_checkpoint():
    lines = [line for f in RULES for line in f.read_text().splitlines()]
    assert sum(line.startswith("checkpoint ") for line in lines) == 1


def test_profiles_go_on_after_a_crash():
    for profile in ("default", "scheduled"):
        path = REPOSITORY / "workflow" / "profiles" / profile / "config.yaml"
        assert yaml.safe_load(path.read_text())["rerun-incomplete"] is True


def test_bare_snakemake_without_a_config_says_so(tmp_path):
    done = run(
        sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", REPOSITORY / "Snakefile",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no config: add --configfile CONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def test_bare_snakemake_tells_a_fault_of_the_config(tmp_path):
    (tmp_path / "audit.yaml").write_text("audit: {name: x}\nmodle: {}\n")
    done = run(
        sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", REPOSITORY / "Snakefile",
        "--configfile", "audit.yaml", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0 and "did you mean 'model'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_model_runs_on_reruns_what_it_answers():
    for rule in ("index", "explain", "confirm", "sanity"):
        text = (REPOSITORY / "workflow" / "rules" / f"{rule}.smk").read_text()
        assert "*RUN_OF_MODEL" in text, rule
    config = load_config([REPOSITORY / "configs" / "lint.yaml"])
    changed = [
        {"precision": "mixed_bfloat16"},
        {"device": "cpu"},
        {"batch_size": 8},
        {"threads": 3},
    ]
    runs = [config.run.model_copy(update=change) for change in ({}, *changed)]
    digests = [
        settings_digest(config.model_copy(update={"run": one}), *RUN_OF_MODEL) for one in runs
    ]
    assert len(set(digests)) == 4 and digests[0] == digests[-1]
