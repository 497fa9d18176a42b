"""Signals end a stage in order, and only ask a run to."""

import os
import signal
import subprocess
import sys
import time

import pytest

from audit.stages.signals import Stopped, Wish, caught, ended_by_signals


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (signal.SIGINT, 130, "SIGINT"),
        (signal.SIGTERM, 143, "SIGTERM"),
        (signal.SIGHUP, 129, "SIGHUP"),
    ],
)
def test_a_signal_ends_the_block(number, code, text):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, ended_by_signals():
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert stopped.value.exit_code == code and str(stopped.value) == f"stopped by {text}"
    assert signal.getsignal(number) is before


def test_no_handler_on_the_way_takes_it_for_a_fault():
    with pytest.raises(Stopped), ended_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except Exception:
            pytest.fail("taken for a fault")


def test_what_fails_after_a_signal_fails_on_account_of_it():
    with pytest.raises(Stopped), ended_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except Stopped:
            raise RuntimeError("a worker is gone") from None


def test_other_faults_stay():
    with pytest.raises(RuntimeError, match="by itself"), ended_by_signals():
        raise RuntimeError("by itself")


def test_a_forked_worker_just_ends():
    with ended_by_signals():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143


def test_the_first_wish_counts_and_a_later_one_is_urgent(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    wish = Wish()
    assert wish.stopped is None and wish.seconds == 0
    wish(signal.SIGINT, None)
    now[0] += 0.1
    wish(signal.SIGTERM, None)  # a wrapper passes it on
    assert wish.stopped.number == signal.SIGINT and not wish.again
    now[0] += 1
    wish(signal.SIGTERM, None)
    assert (
        wish.again and wish.stopped.number == signal.SIGINT and wish.seconds == pytest.approx(1.1)
    )


def test_what_the_caller_ignores_is_ignored_and_not_handed_down():
    """As under nohup, or behind ``&`` in a script."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        wish = Wish()
        with caught(wish):
            os.kill(os.getpid(), signal.SIGHUP)
            assert wish.stopped is None
            code = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)"
            told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            assert told.stdout == b"True\n"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
