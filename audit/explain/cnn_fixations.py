"""CNN fixations: the pixels to which a class score is unravelled, layer by layer."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.question import LayerTrace, Question
from audit.heatmaps import fixation_heatmap


def _walkable(question: Question) -> list[str]:
    """Raises where the model has an operation that cannot be walked."""
    target = question.targets[0]
    question.subject.fixations(question.forward, [target.row], [target.score.outputs])
    return []


@method(
    "cnn_fixations",
    "pixels to which the score is unravelled by activations and weights, counted and blurred",
    "Mopuri et al. 2019, CNN Fixations, IEEE Transactions on Image Processing 28(5)",
    level="input",
    check=_walkable,
)
def cnn_fixations(trace: LayerTrace) -> np.ndarray:
    """Points of the forward pass alone, no gradient; float32 (P, h, w), averaged over the grid's cells.

    A class of several outputs is followed from the one with the largest score.
    """
    asked = trace.question
    if not asked.targets:
        return np.empty((0, *asked.input_grid), np.float32)
    outputs = [target.score.outputs for target in asked.targets]
    points = asked.subject.fixations(asked.forward, asked.rows, outputs)
    broken = ~np.isfinite(asked.values)
    maps = np.array([fixation_heatmap(p, *asked.input_size) for p in points])
    maps[broken] = np.nan  # points cannot tell that the model gave NaN
    return asked.to_grid(maps)
