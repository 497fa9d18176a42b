"""The child and all of its own: lines as they come, and none of them alive afterwards."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from audit.errors import AuditError
from audit.stages import relay as module
from audit.stages.layout import Layout
from audit.stages.lock import take_lock
from audit.stages.relay import relay
from audit.stages.signals import SAME_WISH, Wish, caught
from audit.stages.watch import Watch

# Children say who they are, so that they can be looked for.
SLEEPER = "import sys, subprocess; subprocess.Popen([sys.executable, '-c', {code!r}], **{how})"
SLEEP = "import time; print('child', __import__('os').getpid(), flush=True); time.sleep(60)"


class Listening(Watch):
    """Tells when it was given a line."""

    def __init__(self, layout):
        super().__init__(layout)
        self.heard = threading.Event()

    def line(self, line):
        self.heard.set()
        return super().line(line)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TICK", 0.02)
    monkeypatch.setattr(module, "LINGER", 0.3)
    layout = Layout(tmp_path)
    lock = take_lock(layout)
    wish = Wish()

    def go(code, after=()):
        watch = Listening(layout)
        threading.Thread(target=send, args=[after, watch.heard]).start()
        with caught(wish):
            return relay([sys.executable, "-c", code], layout, lock, watch, wish)

    def send(numbers, heard):
        """Each a while after the one before; the first when the child is heard."""
        for number in numbers:
            assert heard.wait(30)
            time.sleep(1.2 * SAME_WISH)
            os.kill(os.getpid(), number)

    yield go
    os.close(lock)


def children_of(ended):
    return [int(line.split()[1]) for line in ended.lines if line.startswith("child ")]


def assert_gone(pids):
    assert pids
    end = time.monotonic() + 2
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_lines_of_both_streams_and_the_code(run, tmp_path):
    code = "import os; os.write(1, b'one\\ntw'); os.write(2, b'o\\r\\n\\xff\\nlast'); os._exit(3)"
    ended = run(code)
    assert list(ended.lines) == ["one", "two", "\ufffd", "last"] and ended.code == 3
    assert (tmp_path / "logs" / "snakemake.log").read_text().splitlines() == list(ended.lines)


def test_it_has_a_process_group_of_its_own(run):
    ended = run("import os; print(os.getpgid(0) == os.getpid())")
    assert list(ended.lines) == ["True"] and ended.code == 0


@pytest.mark.parametrize("how", ["{}", "{'process_group': 0}"])
def test_what_outlives_it_does_not_hold_the_run(how, run):
    """As the workers of a stage do that died of memory; in a group of their own, they are let be."""
    began = time.monotonic()
    ended = run(SLEEPER.format(code=SLEEP, how=how) + "; import time; time.sleep(2)")
    assert time.monotonic() - began < 30 and ended.code == 0
    pids = children_of(ended)
    if how == "{}":
        assert_gone(pids)
    for pid in filter(alive, pids):
        os.kill(pid, signal.SIGKILL)


def test_a_signal_ends_all_of_them(run):
    ended = run(
        SLEEPER.format(code=SLEEP, how="{}") + "; import time; time.sleep(60)", [signal.SIGTERM]
    )
    assert ended.code != 0
    assert_gone(children_of(ended))


DEAF = (
    "import os, signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; "
    "print('child', os.getpid(), flush=True); time.sleep(60)"
)


def test_who_does_not_hear_is_given_a_while(run, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.5)
    began = time.monotonic()
    ended = run(DEAF, [signal.SIGTERM])
    assert 0.5 < time.monotonic() - began < 20 and ended.code == -signal.SIGKILL
    assert_gone(children_of(ended))


def test_the_second_signal_ends_the_while(run, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 30.0)
    began = time.monotonic()
    ended = run(DEAF, [signal.SIGINT, signal.SIGINT])
    assert time.monotonic() - began < 20 and ended.code == -signal.SIGKILL


def test_a_fault_of_ours_leaves_nobody_behind(run, monkeypatch):
    def wrong(self, line):
        raise RuntimeError(line)

    monkeypatch.setattr(Watch, "line", wrong)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="child") as fault:
        run(SLEEP)
    assert time.monotonic() - began < 10
    assert_gone([int(str(fault.value).split()[1])])


def test_a_full_disk_is_one_line(run):
    def full(line):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "line", lambda self, line: full(line))
        with pytest.raises(AuditError, match=r"snakemake.log: cannot go on: No space left"):
            run(SLEEP)


def test_ctrl_z_stops_all_and_they_go_on(tmp_path):
    """In a process of its own, which is stopped and continued as a shell does it."""
    ticks = "import time\nfor k in range(40): print('tick', flush=True); time.sleep(0.05)"
    code = (
        "import sys; from pathlib import Path; from audit.stages.layout import Layout\n"
        "from audit.stages.relay import relay; from audit.stages.signals import Wish\n"
        "from audit.stages.lock import take_lock; from audit.stages.watch import Watch\n"
        f"layout = Layout(Path({str(tmp_path)!r})); lock = take_lock(layout)\n"
        f"ended = relay([sys.executable, '-u', '-c', {ticks!r}], layout, lock, Watch(layout), Wish())\n"
        "print(ended.code, len(ended.lines))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 20
    while not (children := psutil.Process(process.pid).children()) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGTSTP)
    both, end = [psutil.Process(process.pid), *children], time.monotonic() + 20
    while {p.status() for p in both} != {"stopped"} and time.monotonic() < end:
        time.sleep(0.02)
    assert [p.status() for p in both] == ["stopped"] * 2
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=30)[0] == "0 40\n"
