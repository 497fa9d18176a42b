"""Which Python has Snakemake's plugins for clusters: this one, or `make cluster`'s."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

OTHER = Path(__file__).resolve().parents[2] / ".venv-cluster" / "bin" / "python"


@cache
def python_with(module: str) -> str:
    """Path of a Python that has ``module``; the test is skipped where there is none."""
    if importlib.util.find_spec(module):
        return sys.executable
    if OTHER.exists() and not subprocess.run([OTHER, "-c", f"import {module}"]).returncode:
        return str(OTHER)
    pytest.skip(f"no {module}: make cluster")
