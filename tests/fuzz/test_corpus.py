"""Inputs that once failed, and honest ones, through every parser: within its time and its memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import NAMES, TARGETS_OF
from .bounds import limit_memory, outcome
from .mutate import changed
from .target import CORPUS, TARGETS

SLOW = TARGETS_OF["model_files"]  # they import TensorFlow
REPLAY = "from tests.fuzz.test_corpus import replay; replay({name!r}, {each})"


def replay(name, each):
    """All that is kept of a target, and ``each`` changes of every honest input; in its own process."""
    import random

    from . import load_targets

    load_targets(name)
    target, r = TARGETS[name], random.Random(0)
    seeds = target.seeds()
    for data in seeds:
        assert outcome(target, data) in ("value", "refused"), outcome(target, data)
    limit_memory(target.megabytes)
    pool = [*seeds, *target.corpus()]
    kept = [(path.name, path.read_bytes()) for path in target.files()]
    made = [
        (f"change {k}", changed(s, pool, target.kind, target.tokens, r))
        for s in seeds
        for k in range(each)
    ]
    for told, data in kept + made:
        found = outcome(target, data)
        assert found in ("value", "refused"), f"{name}: {told}: {found}"


@pytest.mark.parametrize("module", [m for m in TARGETS_OF if m != "model_files"])
def test_nothing_that_failed_fails_again(module):
    code = "; ".join(REPLAY.format(name=name, each=15) for name in TARGETS_OF[module])
    _run(code)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_model_files_are_refused_or_loaded(name):
    _run(REPLAY.format(name=name, each=100))


def test_every_input_that_is_kept_belongs_to_a_target():
    assert {path.name for path in CORPUS.iterdir()} <= set(NAMES)


def _run(code):
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
