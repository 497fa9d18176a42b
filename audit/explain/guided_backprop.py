"""Guided backpropagation."""

from __future__ import annotations

import numpy as np

from audit.explain.method import method
from audit.explain.pixels import REDUCE, gradient_maps
from audit.explain.question import LayerTrace, Question


def check(question: Question, **_: object) -> list[str]:
    return [rule_note(question, "guided")]


def rule_note(question: Question, rule: str) -> str:
    """What a rule replaces in the model, and what it does not."""
    replaced, others = question.subject.replaced_rules(rule)
    left = f"; left alone: {', '.join(others)}" if others else ""
    if not replaced:
        return f"no ReLU or the like that the {rule} rule replaces: same as saliency{left}"
    return f"{len(replaced)} ReLU or the like go by the {rule} rule{left}"


@method(
    "guided_backprop",
    "gradient at each pixel that only positive gradients of active ReLU reach",
    "Springenberg et al. 2015, Striving for Simplicity: The All Convolutional Net, ICLR workshop, 3.4",
    level="input",
    options={"reduce": REDUCE},
    check=check,
)
def guided_backprop(trace: LayerTrace, reduce: str = "max") -> np.ndarray:
    """Saliency with ``1[x > 0] 1[g > 0] g`` as the way back through each ReLU, float32 (P, h, w).

    Reduced over the channels as saliency is, so that the two differ in the rule alone. Known to show
    the image's edges more than the class (Adebayo et al. 2018, Sanity Checks).
    """
    return gradient_maps(trace.question, "guided", reduce)
