"""What a model's outputs are: the scores to explain, and the probabilities to report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.activations import sigmoid, softmax
from audit.errors import AuditError
from audit.models.graph import ends_linearly, final_activation
from audit.models.trace import Trace

# How far a row of outputs may be from summing to one and still count as a softmax written by hand.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Outputs:
    """The class scores of a traced model."""

    tensor: Any
    """Scores in the graph, (B, n): logits where they were found."""
    kind: str
    """softmax, sigmoid (multi-label), binary or logits."""
    reason: str
    found: bool
    """The graph ends in an activation, before which the logits lie."""
    settled: bool
    """Whether they are probabilities is known: by the activation, by a sum at the end, as a head
    without an activation has it, or from the config."""
    by_hand: bool = False
    """The outputs are probabilities by operations of the model's own: the logits are not found."""

    @property
    def n_classes(self) -> int:
        """Classes that can be named; 2 for one sigmoid unit (0: not the class, 1: the class)."""
        return 2 if self.kind == "binary" else self.tensor.shape[1]

    @property
    def activation(self) -> str:
        """What turns the scores into probabilities."""
        if self.by_hand:
            return "none"
        return "sigmoid" if self.kind in ("sigmoid", "binary") else "softmax"

    def score(self, asked: str) -> tuple[str, str]:
        """Which score is explained, and why, where the config asks for ``asked``."""
        if asked != "logit":
            return asked, "asked for"
        if self.by_hand:
            return "probability", "logits not found, probability used"
        return asked, "input of the final activation" if self.found else "linear output"

    def told_apart(self, output: np.ndarray) -> Outputs:
        """These outputs, once ``output`` (B, n) on noise shows whether they are probabilities."""
        if not _like_probabilities(output, self.kind):
            return self
        return replace(
            self,
            kind="softmax" if self.kind == "logits" else self.kind,
            reason="outputs are probabilities, by operations of the model's own",
            by_hand=True,
        )

    def named(self, scores: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and probabilities per nameable class, float32 (B, n), from the graph's own."""
        probabilities = output if self.found or self.by_hand else _activated(scores, self.kind)
        if self.kind == "binary":
            scores = np.concatenate([-scores, scores], axis=1)
            probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
        return scores, probabilities

    def own_seeds(self, seeds: np.ndarray) -> np.ndarray:
        """Weights over the nameable classes turned into weights over the graph's own scores."""
        if self.kind == "binary":
            return (seeds[:, 1] - seeds[:, 0])[:, None].astype(np.float32)
        return seeds.astype(np.float32)

    def named_weights(self, weights: np.ndarray) -> np.ndarray:
        """(C, n) weights of the graph's own scores as those of the nameable classes."""
        return np.hstack([-weights, weights]) if self.kind == "binary" else weights


def outputs_of(trace: Trace, asked: str) -> Outputs:
    """The outputs, found on the graph; ``asked`` is the config's ``model.output``.

    Raises
    ------
    AuditError: the model cannot be what the config says, or is no classifier.
    """
    if asked == "logits":
        return Outputs(trace.output, "logits", "given in the config", False, True)
    activation, tensor = final_activation(trace.output)
    if tensor.shape.rank != 2:
        activation, tensor = "none", trace.output
    units, found = tensor.shape[1], activation != "none"
    settled = found or ends_linearly(trace.output)
    kind = {"softmax": "softmax", "none": "logits"}.get(
        activation, "binary" if units == 1 else "sigmoid"
    )
    if asked not in ("auto", kind):
        _check_units(asked, units)
        return Outputs(tensor, asked, "given in the config", found, settled)
    if kind == "logits" and units == 1:
        raise AuditError(
            "one output without a sigmoid is no classifier", where="model.output",
            hint="set model.output: binary if it is the logit of one class",
        )  # fmt: skip
    reason = f"the graph ends in {activation}" if found else "the graph ends without an activation"
    return Outputs(tensor, kind, reason, found, settled)


def _check_units(asked: str, units: int) -> None:
    if (asked == "binary") != (units == 1):
        raise AuditError(
            f"the model has {units} outputs", where="model.output",
            expected="1 output for binary, more for the others", received=asked,
        )  # fmt: skip


def _like_probabilities(output: np.ndarray, kind: str) -> bool:
    """Whether rows look like probabilities; those of a multi-label model need not sum to one."""
    if kind in ("logits", "softmax") and np.abs(output.sum(axis=1) - 1).max() >= SUM_TOLERANCE:
        return False
    return bool(output.min() >= 0 and output.max() <= 1 + SUM_TOLERANCE)


def _activated(scores: np.ndarray, kind: str) -> np.ndarray:
    """Probabilities of scores (B, n) that no activation of the model follows."""
    return sigmoid(scores) if kind in ("sigmoid", "binary") else softmax(scores)
