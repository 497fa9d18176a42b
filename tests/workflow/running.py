"""A real run as a process of its own: started, watched, killed, and its tables compared."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from audit.stages.workflow import TABLES

REPOSITORY = Path(__file__).resolve().parents[2]
ERROR = "focus-audit: error: "


def tables(root):
    return {name: (root / name).read_bytes() for name in TABLES}


def differing(root, reference):
    """Names of the tables whose bytes differ between two folders of results."""
    own, other = tables(root), tables(reference)
    return [name for name in TABLES if own[name] != other[name]]


def start(folder, *arguments, **options):
    """The command in that folder, with the folder's own modules first; what it prints can be read."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(
        [sys.executable, "-m", "audit", *map(str, arguments)], cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}, **given,
    )  # fmt: skip


def written(root, patterns, since):
    """Files of these patterns that were written since that time, the oldest first."""
    found = []
    for path in (p for pattern in patterns for p in root.glob(pattern)):
        try:
            time_written = path.stat().st_mtime
        except OSError:  # it has just been renamed
            continue
        if time_written >= since:
            found.append((time_written, path))
    return [path for _, path in sorted(found)]


def wait_for(process, root, patterns, since):
    """Until a file of one of these patterns was written by this run, or the run has ended."""
    end = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < end:
        if written(root, patterns, since):
            return
        time.sleep(0.02)


def processes(folder):
    """Living processes that work in this folder."""
    for one in psutil.process_iter():
        try:
            if one.cwd() == str(folder) and one.status() != psutil.STATUS_ZOMBIE:
                yield one
        except psutil.Error:
            continue


def ours(folder):
    """Command lines of the living processes that work in this folder."""
    found = []
    for one in processes(folder):
        try:
            found.append(one.cmdline())
        except psutil.Error:
            continue
    return found


def kill_all(folder):
    """SIGKILL to everything that works in the folder, until nothing does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        alive = list(processes(folder))
        if not alive:
            return
        for one in alive:
            try:
                one.kill()
            except psutil.Error:
                continue
        time.sleep(0.02)
    raise AssertionError(f"still alive: {ours(folder)}")
