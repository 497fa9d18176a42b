"""What a person, a log and a scheduler are told while a run is under way."""

from __future__ import annotations

import time
from typing import Any

from audit.progress import Event, Meter, Screen, plain_interval, read_event
from audit.progress.counter import pace_in_words, rounded
from audit.progress.events import ERROR_PREFIX
from audit.stages.heartbeat import Heartbeat
from audit.stages.layout import Layout
from audit.stages.signals import Stopped
from audit.stages.snakemake_lines import Steps
from audit.stages.whole_run import SHARD_STAGES, Standing, WholeRun

OUR_LINES = "focus-audit "
# Seconds between two looks at the results folder, and the share of them that a look may take.
LOOK_INTERVAL, LOOK_SHARE = 2.0, 0.05


class Watch:
    """Follows a run by its lines and by its files."""

    def __init__(self, layout: Layout) -> None:
        self.screen = Screen()
        self.error_told = False
        """Whether a stage told what is wrong."""
        self._steps = Steps()
        self._files = WholeRun(layout)
        self._heartbeat = Heartbeat(layout.heartbeat)
        self._whole = WholeLine(self.screen)
        self._told: set[str] = set()
        self._stopping = False
        self._at_stop = 0
        self._lines = 0
        self._next_look = 0.0
        self._standing = self._files.look(self._steps)
        if self.screen.json:
            self.say("begins", "started")

    def begin(self) -> None:
        """Snakemake starts, or starts again."""
        self._steps = Steps()

    def quiet(self) -> None:
        """Snakemake has ended: the last look, and no line that renews itself."""
        self._look()
        self.screen.clear()

    def line(self, line: str) -> str:
        """Take in a line of Snakemake's output; what a log is to keep of it."""
        self._lines += 1
        event = read_event(line) or _event_of_text(line)
        if event is None:
            self._steps.read(line)
            return line
        if "traceback" in event.numbers and not self.screen.json:
            return event.text  # a fault of ours: the end of the run says where to look
        self.error_told |= event.event == "error" and "traceback" not in event.numbers
        text = event.as_text()
        # Snakemake shows a failed job's log again; a line is told once.
        if text not in self._told and self._wanted(event):
            self._told.add(text)
            self.screen.show(event)
        return text

    def say(self, text: str, event: str = "message", **numbers: Any) -> None:
        """A line of the run itself."""
        self.screen.show(Event("run", event, text, None, numbers))

    def stopping(self) -> None:
        """The run was told to stop: from here on the stages' ends are no news."""
        self._stopping = True
        self._standing = self._files.look(self._steps)
        self._at_stop = self._standing.explained
        if self.screen.terminal:
            self.screen.renew(Event("run", "message", "stopping; once more to stop at once"))

    def tick(self) -> None:
        """Look, show and beat, when it is time; called several times a second."""
        began = time.monotonic()
        if began < self._next_look or self._stopping:
            return
        self._look()
        self._heartbeat.beat((self._lines, self._standing), **self._where())
        took = time.monotonic() - began
        self._next_look = began + max(LOOK_INTERVAL, took / LOOK_SHARE)

    def stopped(self, stopped: Stopped) -> None:
        """A signal ended it: one line says what there is, and what is lost."""
        found, text = self._standing, f"{stopped}; run again to go on"
        if found.shards and found.known and not found.complete:
            text += f": {found.shards_explained} of {found.shards} shards are explained and kept"
            if (lost := self._at_stop - found.explained) > 0:
                text += f", {lost} images of what was under way are to be explained again"
        self.say(text, "warning")

    def ended(self, exit_code: int) -> None:
        """The last beat; exit code 2: it failed, over 128: it was stopped."""
        states = {0: "finished", 1: "finished", 2: "failed"}
        state = states.get(exit_code, "stopped")
        self._heartbeat.end(state, exit_code, **self._where())
        if self.screen.json:
            self.say(state, "finished", exit_code=exit_code)

    def _look(self) -> None:
        self._standing = found = self._files.look(self._steps)
        if self._stopping:
            return
        at_shards = found.of_shards or self._steps.stage in SHARD_STAGES
        self._whole.show(found, at_shards)
        if self.screen.terminal and not at_shards and found.running:
            self.screen.renew(_of_stage(found))

    def _where(self) -> dict[str, Any]:
        """What the heartbeat says: the whole audit's images, else the steps of a stage."""
        found, stage = self._standing, self._steps.stage
        if self._whole.open and found.known:
            return {
                "stage": stage,
                "done": found.explained,
                "total": found.images,
                "what": "images explained",
            }
        return dict(found.running[-1]) if found.running else {"stage": stage}

    def _wanted(self, event: Event) -> bool:
        """Whether a stage's event is shown as it is: a shard's progress is in that of the whole."""
        if self.screen.json:
            return True
        if self._stopping or event.event in ("started", "finished"):
            return False
        if event.event != "progress":
            return True
        if event.stage in SHARD_STAGES:
            return False
        return not self.screen.terminal or event.numbers.get("done") == event.numbers.get("total")


class WholeLine:
    """The line that says how far the whole audit is, with rate and time left."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._meter: Meter | None = None
        self._told = 0.0
        self._last: Event | None = None
        self._finished = False

    @property
    def open(self) -> bool:
        """Whether this run works on shards, and has not done the last of them."""
        return self._meter is not None and not self._finished

    def show(self, found: Standing, at_shards: bool) -> None:
        """Tell it, if it is time to; ``at_shards``: a shard is being worked on."""
        if not found.known or self._finished:
            return
        if self._meter is None:
            if not at_shards:
                return
            self._meter, self._told = Meter(found.explained), time.monotonic()
        self._meter.count(found.explained)
        now = time.monotonic()
        if found.complete and not at_shards:
            self._finished = True
            self._screen.show(self._event(found))
        elif self._screen.terminal:
            self._screen.renew(self._event(found))
        elif now - self._told >= plain_interval(self._meter.seconds):
            self._told, last = now, self._last
            self._last = self._event(found)
            if self._last != last:  # what is the same is no news
                self._screen.show(self._last)

    def _event(self, found: Standing) -> Event:
        finished = self._finished
        rate = self._meter.average() if finished else self._meter.rate()
        left = self._meter.left(found.images) if found.explained < found.images else None
        scored = (
            " and scored"
            if finished
            else f", {found.shards_scored} of {found.shards} shards scored"
        )
        numbers = {
            "done": found.explained,
            "total": found.images,
            "what": "images explained",
            "rate_per_s": rounded(rate),
            "left_s": rounded(left),
            "shards_scored": found.shards_scored,
            "shards": found.shards,
        }
        text = f"{found.explained}/{found.images} images explained{scored}"
        return Event("run", "progress", text + pace_in_words(rate, left), None, numbers)


def _of_stage(found: Standing) -> Event:
    """How far the stages are that work on no shard."""
    told = [f"{r['stage']} {r['done']}/{r['total']} {r['what']}" for r in found.running]
    return Event("run", "progress", "; ".join(told))


def _event_of_text(line: str) -> Event | None:
    """A stage's line in a log that Snakemake shows, or of a stage that was not asked for JSON."""
    if line.startswith(ERROR_PREFIX):
        return Event("run", "error", line.removeprefix(ERROR_PREFIX))
    if line.startswith(OUR_LINES) and ": " in line:
        stage, text = line.removeprefix(OUR_LINES).split(": ", 1)
        return Event(stage, "message", text)
    return None
