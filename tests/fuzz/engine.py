"""The search: a child changes inputs and keeps those that reach new lines; its parent outlives it.

A parser that crashes the interpreter, or hangs where no signal is heard, ends the child only. The
input lies in a file by then, and another child goes on.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from .bounds import is_finding, limit_memory, outcome
from .lines import Lines
from .mutate import changed
from .target import TARGETS

GRACE = 20.0  # seconds beyond an input's own bound before its child is killed
MAX_CHILDREN = 200
LARGEST = 1500  # inputs that guide the search


@dataclass
class Found:
    """What a search came to."""

    executions: int = 0
    refused: int = 0
    seconds: float = 0.0
    """Of searching: what it takes to import TensorFlow is not in it."""
    reached: set[tuple[str, int]] = field(default_factory=set)
    total: int = 0
    findings: dict[str, bytes] = field(default_factory=dict)
    """What is wrong, without its figures -> the first input that showed it."""

    def line(self, name: str) -> str:
        share = len(self.reached) / max(self.total, 1)
        return (
            f"{name}: {self.executions:,} executions in {self.seconds:.0f} s, {self.refused:,} refused; "
            f"{len(self.reached)} of {self.total} lines reached ({share:.0%}); "
            f"{len(self.findings)} findings"
        )


def search(name: str, seconds: float, seed: int, folder: Path) -> Found:
    """Fuzz one target for so long; ``folder`` keeps the inputs of findings."""
    folder.mkdir(parents=True, exist_ok=True)
    found, round_ = Found(), 0
    while found.seconds < seconds - 1 and round_ < MAX_CHILDREN:
        _one_child(name, seconds - found.seconds, seed + round_, folder, found)
        round_ += 1
    return found


def _one_child(name: str, seconds: float, seed: int, folder: Path, found: Found) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    current = folder / "current"
    child = multiprocessing.get_context("fork").Process(
        target=_work, args=(name, seconds, seed, current, theirs)
    )
    child.start()
    theirs.close()
    patience = 90 + GRACE
    told: dict = {}
    while child.is_alive() or ours.poll():
        if not ours.poll(patience):
            child.kill()
            child.join()
            _note(found, folder, "hangs and hears no signal", current.read_bytes())
            break
        try:
            message = json.loads(ours.recv_bytes())
        except EOFError:
            child.join()
            break
        patience = TARGETS[name].seconds + GRACE if name in TARGETS else 90.0
        if "finding" in message:  # with its input: the child is at another one by now
            _note(found, folder, message["finding"], bytes.fromhex(message["data"]))
        else:
            told = message
    child.join()
    if child.exitcode and child.exitcode < 0 and child.exitcode != -9:
        _note(found, folder, f"ends the process by signal {-child.exitcode}", current.read_bytes())
    found.executions += told.get("executions", 0)
    found.refused += told.get("refused", 0)
    found.seconds += told.get("seconds", 1.0)
    found.reached |= {(f, n) for f, n in told.get("reached", ())}
    found.total = max(found.total, told.get("total", 0))


def _note(found: Found, folder: Path, told: str, data: bytes) -> None:
    kind = told.split(": ")[0]
    if kind not in found.findings:
        found.findings[kind] = data
        path = folder / hashlib.sha256(data).hexdigest()[:16]
        path.write_bytes(data)
        print(f"  {told}\n    {path}", flush=True)


def _work(name: str, seconds: float, seed: int, current: Path, pipe) -> None:
    from . import load_targets

    load_targets(name)
    target = TARGETS[name]
    r = random.Random(seed)
    lines, counts = Lines(target.modules), {"executions": 0, "refused": 0, "seconds": 0.0}
    pool = [*target.seeds(), *target.corpus()]
    for data in list(pool):
        outcome(target, data)  # what is imported late is imported now, outside of the bounds
    limit_memory(target.megabytes)
    for stream in (1, 2):  # decoders written in C have their say, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    waiting, began, told = list(pool), time.monotonic(), 0.0
    while counts["seconds"] < seconds:
        data = (
            waiting.pop()
            if waiting
            else changed(r.choice(pool), pool, target.kind, target.tokens, r)
        )
        current.write_bytes(data)
        before = len(lines.reached)
        result = outcome(target, data, lines)
        counts["executions"] += 1
        counts["seconds"] = time.monotonic() - began
        counts["refused"] += result == "refused"
        if is_finding(result):  # once more, at full speed: counting lines takes time and memory
            result = outcome(target, data)
        if is_finding(result):
            pipe.send_bytes(json.dumps({"finding": result, "data": data.hex()}).encode())
        elif len(lines.reached) > before and len(pool) < LARGEST:
            pool.append(data)
        if time.monotonic() > told + 1:
            told = time.monotonic()
            _tell(pipe, counts, lines)
    _tell(pipe, counts, lines)


def _tell(pipe, counts: dict[str, float], lines: Lines) -> None:
    values = {**counts, "reached": sorted(lines.reached), "total": lines.total}
    pipe.send_bytes(json.dumps(values).encode())
