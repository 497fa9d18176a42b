"""Whether a model relies on what was planted: measured by rendering its pictures again.

The renderer's own swaps are the measure, not the fills of the audit's confirmation: the truth must
not come from what it is there to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audit.prove.worlds import (
    TRUTH,
    Picture,
    World,
    pictures,
    render_all,
    swap_object,
    swap_shortcut,
)

Classifier = Callable[[np.ndarray], np.ndarray]
"""Images (n, size, size, 3) uint8 -> classes (n,) integers."""
Verdict = Literal["reliant", "clean", "between", "failed"]

PICTURES = 60
"""Pictures of each class, which neither training nor the audit sees."""
MIN_ACCURACY = 0.9
"""A model that names fewer of the pictures as they are has failed to train and is left out."""
MIN_FOLLOWED = 0.8
"""Reliant: so often the planted class is named though the object is another's."""
MAX_LOST = 0.05
"""Clean: so much accuracy may be lost with the shortcut swapped."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What swapping showed; shares in [0, 1]."""

    verdict: Verdict
    accuracy: float
    """Pictures as they are."""
    followed: float
    """Planted class named, of its pictures that carry the shortcut with the object swapped; NaN
    where none carries it."""
    lost_planted: float
    """Accuracy lost with the shortcut swapped, over the planted class's pictures."""
    lost_others: float
    """The same over the other classes'."""


def measure(world: World, classify: Classifier, per_class: int = PICTURES) -> Truth:
    """Swap objects and shortcut on held-out pictures and see what the model makes of it.

    - ``failed``: accuracy under :data:`MIN_ACCURACY`.
    - ``reliant``: at least :data:`MIN_FOLLOWED` follow the shortcut when the object is swapped.
    - ``clean``: at most :data:`MAX_LOST` lost with the shortcut swapped, by the planted class and by
      the others.
    - ``between``: anything else; on the curve only.
    """
    drawn = list(pictures(world, TRUTH, per_class))
    own = np.array([p.label == world.planted for p in drawn])
    right = _right(world, classify, drawn)
    after = _right(world, classify, [swap_shortcut(world, p) for p in drawn])
    return truth_of(right, after, own, _followed(world, classify, drawn))


def truth_of(right: np.ndarray, after: np.ndarray, own: np.ndarray, followed: float) -> Truth:
    """From which pictures, bool (n,), are named rightly as they are and with the shortcut swapped;
    ``own``: those of the planted class."""
    accuracy = float(right.mean())
    lost = [float(right[part].mean() - after[part].mean()) for part in (own, ~own)]
    return Truth(verdict_of(accuracy, followed, max(lost)), accuracy, followed, *lost)


def verdict_of(accuracy: float, followed: float, lost: float) -> Verdict:
    """What the figures of a :class:`Truth` amount to; see :func:`measure`."""
    if accuracy < MIN_ACCURACY:
        return "failed"
    if followed >= MIN_FOLLOWED:
        return "reliant"
    return "clean" if lost <= MAX_LOST else "between"


def _right(world: World, classify: Classifier, drawn: list[Picture]) -> np.ndarray:
    images, labels = render_all(world, drawn)
    return classify(images) == labels


def _followed(world: World, classify: Classifier, drawn: list[Picture]) -> float:
    """Over every other class's object in each picture of the planted class with the shortcut."""
    carriers = [p for p in drawn if p.label == world.planted and p.shortcut]
    others = [label for label in range(world.classes) if label != world.planted]
    swapped = [swap_object(p, label) for p in carriers for label in others]
    if not swapped:
        return float("nan")
    return float((classify(render_all(world, swapped)[0]) == world.planted).mean())
