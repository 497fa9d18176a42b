"""How long the slow methods will take, said before they start, and how far they are in a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit.explain import Method, Question
from audit.progress import Progress, duration


class Pace:
    """Progress over a shard's images that also moves while a batch is being explained.

    ``images``: how many the shard has.
    """

    def __init__(
        self,
        progress: Progress,
        methods: Sequence[tuple[Method, Mapping[str, Any]]],
        images: int,
    ) -> None:
        self._progress = progress
        self._methods = methods
        self._images = images
        self._said = False
        self._batch = 0
        self._moved = 0.0

    def begin(self, question: Question, batch: int, again: Callable[[], object]) -> None:
        """Before the methods: ``batch`` images, and what runs them through the model once more."""
        self._batch, self._moved = batch, 0.0
        costs = passes_of(self._methods, question)
        if not costs:
            return
        if not self._said:
            self._said = True
            self._say(costs, seconds_of(again) / question.subject.batch)
        whole = sum(costs.values()) * len(set(question.rows.tolist()))
        question.tick = lambda passes: self._move(passes / max(1, whole))

    def finish(self, images: int) -> None:
        """So many images are done: a batch after the methods, or what cannot be explained."""
        self._progress.step(images - self._moved)
        self._moved = 0.0

    def say(self, text: str) -> None:
        """A plain line."""
        self._progress.say(text)

    def _move(self, share: float) -> None:
        step = min(share * self._batch, self._batch - self._moved)
        self._moved += step
        self._progress.step(step)

    def _say(self, costs: Mapping[str, int], seconds: float) -> None:
        for name, passes in costs.items():
            each = passes * seconds
            self._progress.say(
                f"{name}: {passes:,} forward passes an image, about {each:.1f} s an image, "
                f"{duration(each * self._images)} for this shard"
            )


def passes_of(
    methods: Sequence[tuple[Method, Mapping[str, Any]]], question: Question
) -> dict[str, int]:
    """Forward passes an image of each method that takes any of its own; none without a target."""
    slow = [(m, options) for m, options in methods if m.passes is not None and question.targets]
    return {m.name: m.passes(question, **options) for m, options in slow}


def seconds_of(work: Callable[[], object]) -> float:
    """How long the work takes; the first call, which compiles, was made already."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
