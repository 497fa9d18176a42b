"""What Snakemake's own lines say: how far it is, and why it stopped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

# The last line of a traceback; Snakemake's own errors have their text on the line below.
RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit): ")
KILLED = re.compile(r"focus-audit (\w+) .*died with <Signals\.(\w+)")
_COUNTED = re.compile(r"(\w+)\s+(\d+)$")
_STEPS = re.compile(r"(\d+) of (\d+) steps ")
_STARTED = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")


class Steps:
    """How many jobs are due and done, as far as Snakemake has said it; nothing where it is quiet."""

    def __init__(self) -> None:
        self.stage: str | None = None
        """The rule that was begun last."""
        self.done = 0
        self._total: int | None = None
        self._due: Counter[str] = Counter()
        self._indexed = False
        self._in_table = False

    def read(self, line: str) -> None:
        """Take in a line."""
        if line == "Job stats:":
            self._in_table, self._due = True, Counter()
        elif self._in_table:
            self._in_table = bool(line)
            if counted := _COUNTED.match(line):
                self._due[counted[1]] = int(counted[2])
        elif (started := _STARTED.match(line)) and started[1] != "all":
            self.stage = started[1]
        elif line == "Updating checkpoint dependencies.":
            self._indexed = True
        elif steps := _STEPS.match(line):
            self.done, self._total = int(steps[1]), int(steps[2])

    @property
    def undecided(self) -> bool:
        """Whether the index is made anew, so that it is not known which old files still hold."""
        return self._due["index"] > 0 and self._of_shards() is None

    def due(self, verb: str, shards: int) -> int | None:
        """Jobs of ``explain`` or ``score`` that this run does, at least; None where it is not known.

        An index that is made anew decides which shards there are: until then Snakemake counts none
        of their jobs, and afterwards only all jobs together.
        """
        if not self._due:
            return None
        if not self._due["index"]:
            return self._due[verb]
        of_shards = self._of_shards()
        if of_shards is None:
            return None
        return max(0, of_shards - shards) if verb == "explain" else min(shards, of_shards)

    def _of_shards(self) -> int | None:
        """Jobs of shards in this run; None until the first job after the index has finished."""
        named = self._due["total"]
        if self._total is None or not self._indexed or self._total <= named:
            return None
        return self._total - named


def reason(lines: Sequence[str]) -> str:
    """The most telling line of Snakemake's output: where a stage crashed, how its traceback ends."""
    for line in lines:
        if RAISED.match(line):
            return line
        if killed := KILLED.search(line):
            return f"the {killed[1]} stage was killed by {killed[2]}, as when memory runs out"
    for title, below in pairwise(lines):
        if title.startswith("WorkflowError"):  # its message stands on the line below
            return below.strip()
    telling = [line.strip() for line in lines if "Error" in line or "Exception" in line]
    return telling[0] if telling else "Snakemake stopped without a reason"
