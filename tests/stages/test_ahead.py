"""Work that runs ahead of who asks for it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from audit.errors import AuditError
from audit.images import UnreadableImage
from audit.stages.ahead import in_order, processes


class Now:
    """A pool that works at once, and notes at what."""

    def __init__(self):
        self.begun = []

    def submit(self, work, item):
        self.begun.append(item)
        future = Future()
        future.set_result(work(item))
        return future


def test_it_runs_ahead_but_not_away():
    """At most so many results are in memory, in their order; items are asked for no sooner."""
    pool, asked = Now(), []
    items = (asked.append(k) or k for k in range(20))
    for k, result in enumerate(in_order(pool, lambda item: -item, items, 5)):
        assert result == -k
        assert len(pool.begun) == len(asked) == min(k + 5, 20)
    assert pool.begun == list(range(20))


def test_results_come_in_order_however_long_they_take():
    def slow_first(item):
        time.sleep(0.02 * (5 - item))
        return item

    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(pool, slow_first, range(5), 4)) == list(range(5))


def test_after_an_error_nothing_more_is_begun():
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.05)
        raise ValueError

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError):
        list(in_order(pool, work, range(20), 10))
    assert len(begun) <= 2


def test_what_is_not_wanted_any_more_is_not_begun():
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.05)
        return item

    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, work, range(20), 10)
        assert next(results) == 0
        results.close()
    assert len(begun) <= 3


def test_nothing_to_do():
    assert list(in_order(Now(), lambda item: item, [], 3)) == []


def _refused(item):
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return UnreadableImage("truncated_image", "the file ends")


def test_processes_and_what_comes_back_from_them():
    with processes(2, "index") as pool:
        (found,) = in_order(pool, _refused, [1], 3)
    assert (found.reason, found.detail) == ("truncated_image", "the file ends")
    assert str(found) == "truncated_image: the file ends"


def test_a_process_that_is_killed_is_told():
    told = pytest.raises(AuditError, match="index: one of its processes was killed")
    with told, processes(2, "index") as pool:
        list(in_order(pool, _refused, range(5), 3))


PARENT = """
import time
from audit.stages.ahead import in_order, processes
from audit.stages.signals import ended_by_signals

with ended_by_signals(), processes(3, "index") as pool:
    for k in in_order(pool, time.sleep, [0, *[0.7] * 300], 100):
        print("ready", flush=True)
"""


@pytest.fixture
def parent():
    """A stage at work with three processes, the leader of a process group; and the three."""
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout.readline() == "ready\n"
    children = psutil.Process(started.pid).children()
    assert len(children) == 3
    yield started, children
    for process in (started, *alive_after(children, 0)):
        process.kill()
    started.communicate()


def alive_after(children, seconds):
    return psutil.wait_procs(children, timeout=seconds)[1]


def test_processes_end_with_their_parent(parent):
    """However it ends: nobody could tell them."""
    started, children = parent
    started.kill()
    started.wait()
    assert not alive_after(children, 20)


def check_end(started, children):
    """The parent's own exception, and no other, was told."""
    _, told = started.communicate(timeout=30)
    assert "InvalidState" not in told and "Process " not in told
    assert told.splitlines()[-1].startswith("audit.stages.signals.Stopped")
    assert not alive_after(children, 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_of_them_is_no_fault(number, parent):
    """As of Ctrl-C, or of a scheduler."""
    started, children = parent
    time.sleep(0.5)
    os.killpg(started.pid, number)
    check_end(started, children)


def test_processes_that_are_killed_while_their_parent_stops(parent):
    started, children = parent
    started.terminate()
    time.sleep(0.2)
    for child in children:
        with suppress(psutil.NoSuchProcess):  # it may have ended in order
            child.kill()
    check_end(started, children)
