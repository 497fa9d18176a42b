"""What the user is told when a stage dies of something that is not the input's fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.stages.snakemake_lines import reason

REPOSITORY = Path(__file__).resolve().parents[2]

# Python runs this at its start: in the stage named, and nowhere else, something goes wrong.
SABOTAGE = """
import os, signal, sys
if "inspect" in sys.orig_argv:
    import audit.stages.inspect as stage
    def wrong(*args):
        {what}
    stage.run_inspect = wrong
"""


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("raise RuntimeError('the moon is full')", "RuntimeError: the moon is full"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the inspect stage was killed by SIGKILL"),
    ],
)
def test_a_stage_that_crashes_is_named_in_one_line(
    what, told, tmp_path, colours, colour_config, write_config
):
    (tmp_path / "sitecustomize.py").write_text(SABOTAGE.format(what=what))
    path = write_config(tmp_path, colour_config(colours))
    done = subprocess.run(
        [sys.executable, "-m", "audit", "run", path], cwd=tmp_path, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("focus-audit: error: ") and told in line
    assert line.endswith("see reports/colours/logs")


def test_without_any_clue_it_says_so():
    assert reason(["Building DAG of jobs..."]) == "Snakemake stopped without a reason"
