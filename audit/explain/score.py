"""The score of a class: one number of the model's outputs, and its derivative by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.activations import sigmoid, softmax


@dataclass(frozen=True)
class ClassScore:
    """What is explained: the score of a class that is one or several outputs.

    ``kind`` is ``logit`` (log-sum-exp of the outputs' logits: the log of their summed probability
    up to a constant), ``probability`` (the sum of their probabilities), or ``loss`` (minus the
    cross-entropy of the class; of one sigmoid unit or a multi-label output, of its own binary
    cross-entropy: so that more is better, as with the others).

    ``activation`` follows the model's scores: ``softmax``, ``sigmoid``, or ``none`` where the
    scores are probabilities already, since the logits behind them were not found.
    """

    outputs: tuple[int, ...]
    kind: str
    activation: str

    def values(self, scores: np.ndarray) -> np.ndarray:
        """float64 (N,) of the model's scores (N, n)."""
        return self.with_seeds(scores)[0]

    def with_seeds(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 (N,), and its derivative by the model's scores, float32 (N, n)."""
        scores = np.asarray(scores, np.float64)
        if self.kind == "logit":
            values, seeds = self._log_sum(scores)
        else:
            values, seeds = self._probability(scores)
            if self.kind == "loss":
                values, seeds = _logarithm(values, seeds)
        return values, seeds.astype(np.float32)

    @property
    def constant_seeds(self) -> bool:
        """The derivative is the same at every input: one output's own logit."""
        return self.kind == "logit" and len(self.outputs) == 1

    def _log_sum(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = scores[:, self.outputs]
        top = own.max(axis=1, keepdims=True)
        powers = np.exp(own - top)
        total = powers.sum(axis=1, keepdims=True)
        seeds = np.zeros(scores.shape)
        seeds[:, self.outputs] = powers / total
        return (top + np.log(total))[:, 0], seeds

    def _probability(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = np.zeros(scores.shape)
        inside[:, self.outputs] = 1.0
        if self.activation == "none":
            return scores[:, self.outputs].sum(axis=1), inside
        if self.activation == "sigmoid":
            p = sigmoid(scores)
            return p[:, self.outputs].sum(axis=1), inside * p * (1 - p)
        p = softmax(scores)
        total = p[:, self.outputs].sum(axis=1)
        return total, p * (inside - total[:, None])


def _logarithm(values: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p and its derivative; a probability that is 0 in float64 counts as the smallest there is."""
    values = np.maximum(values, np.finfo(np.float64).tiny)
    return np.log(values), seeds / values[:, None]
