"""Estimates before slow methods start, and progress within a batch."""

import io

import numpy as np
import pytest

from audit.explain import ClassScore, Method, Question, Wanted
from audit.progress import Progress
from audit.stages import pace as module
from audit.stages.pace import Pace


class Subject:
    batch = 4


class Forward:
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    scores = np.zeros((4, 2), np.float32)


def question(rows=(0, 1, 1, 3)):
    wanted = [Wanted(row, ClassScore((0,), "logit", "softmax")) for row in rows]
    return Question(Subject(), Forward(), wanted, [0] * 4, 8, 0)


def method(name, passes):
    return Method(name, "", "", "input", lambda trace: None, {}, passes, None)


@pytest.fixture
def log(monkeypatch):
    """A clock on which each forward pass of a batch takes two seconds; what was said, and read."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    said = io.StringIO()

    def again():
        now[0] += 2.0

    return said, again


def pace_of(said, methods, images=1000):
    progress = Progress("explain", said, quiet=True)
    progress.start(images, "images explained")
    return Pace(progress, [(m, {}) for m in methods], images), progress


def test_slow_methods_are_told_once_with_what_they_will_cost(log):
    said, again = log
    methods = [method("gradcam", None), method("rise", lambda q: 4000), method("few", lambda q: 6)]
    pace, _ = pace_of(said, methods)
    for _ in range(2):
        pace.begin(question(), 4, again)
        pace.finish(4)
    # Two seconds for four images.
    assert said.getvalue().splitlines() == [
        "focus-audit explain: rise: 4,000 forward passes an image, about 2000.0 s an image, "
        "555 h 33 min for this shard",
        "focus-audit explain: few: 6 forward passes an image, about 3.0 s an image, "
        "50 min 0 s for this shard",
    ]


@pytest.mark.parametrize("methods", [[], [method("gradcam", None)]])
def test_quick_methods_say_nothing_and_cost_nothing(methods, log):
    said, _ = log
    pace, progress = pace_of(said, methods)
    pace.begin(question(), 3, lambda: pytest.fail("measured"))
    pace.finish(3)
    assert said.getvalue() == "" and progress._done == 3


def test_nothing_is_told_of_a_batch_without_targets(log):
    said, again = log
    pace, progress = pace_of(said, [method("rise", lambda q: 10)])
    pace.begin(question(()), 4, lambda: pytest.fail("measured"))
    pace.finish(4)
    assert said.getvalue() == ""
    pace.begin(question(), 4, again)
    assert "rise" in said.getvalue() and progress._done == 4


def test_progress_moves_within_a_batch(log):
    said, again = log
    pace, progress = pace_of(said, [method("one", lambda q: 10), method("two", lambda q: 5)])
    asked = question()  # three images that have targets
    pace.begin(asked, 4, again)
    for _ in range(3):
        asked.tick(10)
    assert progress._done == pytest.approx(4 * 30 / 45)
    asked.tick(5)
    assert progress._done == pytest.approx(4 * 35 / 45)
    asked.tick(1000)  # an estimate may be wrong; the count never is
    assert progress._done == pytest.approx(4)
    pace.finish(4)
    assert progress._done == pytest.approx(4)
    pace.begin(question(), 2, again)
    pace.finish(2)
    assert progress._done == pytest.approx(6)
