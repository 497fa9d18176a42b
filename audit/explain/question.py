"""What a method may ask of a model about one batch; each answer is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np

from audit.explain.score import ClassScore


class Answers(Protocol):
    """One forward pass of a padded batch of B images."""

    pixels: np.ndarray
    """uint8 (B, H, W, C)."""
    scores: np.ndarray
    """float32 (B, n): logits where they were found."""
    handles: Sequence[Any]
    """The chosen layers, one each; what they hold is the subject's own affair."""


class Subject(Protocol):
    """The model as methods see it: :class:`audit.models.probe.ModelProbe`.

    Images are float32 (N, H, W, C), in the pixels' own 0-255 and before the model's preprocessing,
    so that nothing depends on whether that is inside the model or before it. ``rows`` names the
    image of the batch each belongs to. All is run in blocks of the batch size, padded.
    """

    batch: int
    """Images that the model takes at once: what bounds memory."""

    def activations(self, forward: Any, layer: int) -> np.ndarray:
        """float32 (B, h, w, C) of the layer, by its place among the chosen ones."""

    def mean_gradients(
        self, forward: Any, layer: int, rows: np.ndarray, seeds: np.ndarray
    ) -> np.ndarray:
        """Mean over the grid of d(seeds . scores) / d(activations), float32 (P, C)."""

    def gradients(
        self, forward: Any, layer: int, rows: np.ndarray, seeds: np.ndarray
    ) -> np.ndarray:
        """d(seeds . scores) / d(activations), float32 (P, h, w, C)."""

    def input_gradients(
        self, forward: Any, images: np.ndarray, rows: np.ndarray, seeds: np.ndarray, rule: str
    ) -> np.ndarray:
        """d(seeds . scores) / d(images), float32 (P, H, W, C); ``rule`` is plain, guided or deconv."""

    def scores_of(self, forward: Any, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The model's scores of other images, float32 (N, n)."""

    def head_weights(self, layer: int) -> np.ndarray:
        """float32 (C, n): the output layer's weights where the head is a mean and one Dense.

        Raises
        ------
        AuditError: the head is another one.
        """

    def fixations(self, forward: Any, rows: np.ndarray, outputs: Sequence[Sequence[int]]) -> Any:
        """Points (row, column) on the input, int (k, 2) for each of P targets (Mopuri et al.)."""

    def replaced_rules(self, rule: str) -> tuple[list[str], list[str]]:
        """Operations whose gradient ``rule`` replaces, and kinds of activation that it cannot."""


@dataclass(frozen=True)
class Wanted:
    """A target: one class in one image of the batch."""

    row: int
    score: ClassScore


class Question:
    """P targets of one batch of B images.

    ``keys``: one number an image, from its name and the seed: what is random about an image depends
    on neither its batch nor its shard. ``grid``: the side of the grid that ``input`` methods answer
    on; ``seed``: what is random but the same for all images.
    """

    def __init__(
        self,
        subject: Subject,
        forward: Answers,
        targets: Sequence[Wanted],
        keys: Sequence[int],
        grid: int,
        seed: int,
    ) -> None:
        self.subject = subject
        self.forward = forward
        self.targets = targets
        self.keys = keys
        self.seed = seed
        self._grid = grid
        self._traces: dict[int | None, LayerTrace] = {}
        self.tick: Callable[[float], None] = lambda passes: None
        """Told after each step of slow work how much it was, in forward passes of one image."""

    @cached_property
    def rows(self) -> np.ndarray:
        """int64 (P,): the image of each target."""
        return np.array([t.row for t in self.targets], np.int64)

    @cached_property
    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        return self.scored(self.forward.scores[self.rows], range(len(self.targets)))

    @property
    def values(self) -> np.ndarray:
        """float64 (P,): each target's score."""
        return self._scored[0]

    @property
    def seeds(self) -> np.ndarray:
        """float32 (P, n): the derivative of each target's score by the model's scores."""
        return self._scored[1]

    def scored(self, scores: np.ndarray, of: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Score and derivative of the model's scores (N, n), the k-th for target ``of[k]``."""
        values, seeds = np.empty(len(of)), np.empty(scores.shape, np.float32)
        for place, target in enumerate(of):
            value, seed = self.targets[target].score.with_seeds(scores[place : place + 1])
            values[place], seeds[place] = value[0], seed[0]
        return values, seeds

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the model's input, pixels."""
        return self.forward.pixels.shape[1:3]

    @property
    def input_grid(self) -> tuple[int, int]:
        """Rows and columns of the grid for ``input`` methods; never finer than the pixels."""
        height, width = self.input_size
        return min(self._grid, height), min(self._grid, width)

    def images(self, of: Sequence[int]) -> np.ndarray:
        """float32 (k, H, W, C) in 0-255: the image of each of these targets."""
        return self.forward.pixels[self.rows[list(of)]].astype(np.float32)

    def gradients_at(self, images: np.ndarray, of: Sequence[int]) -> np.ndarray:
        """d(score) / d(image) at other images, float32 (k, H, W, C); the k-th for target ``of[k]``."""
        rows = self.rows[list(of)]
        if all(self.targets[t].score.constant_seeds for t in of):
            seeds = self.seeds[list(of)]
        else:
            seeds = self.scored(self.subject.scores_of(self.forward, images, rows), of)[1]
        return self.subject.input_gradients(self.forward, images, rows, seeds, "plain")

    def input_gradients(self, of: Sequence[int], rule: str) -> np.ndarray:
        """d(score) / d(image) at these targets' own images, float32 (k, H, W, C)."""
        of = list(of)
        return self.subject.input_gradients(
            self.forward, self.images(of), self.rows[of], self.seeds[of], rule
        )

    @property
    def layers(self) -> range:
        """The places of the chosen layers."""
        return range(len(self.forward.handles))

    def of_image(self, row: int) -> np.ndarray:
        """int (k,): the targets of one image."""
        return np.flatnonzero(self.rows == row)

    @property
    def targets_per_image(self) -> float:
        """How many targets an image has on average, of those that have any."""
        return len(self.targets) / max(1, len(np.unique(self.rows)))

    def to_grid(self, maps: np.ndarray) -> np.ndarray:
        """(P, H, W) maps averaged over the cells of :attr:`input_grid`, float32 (P, h, w)."""
        height, width = self.input_grid
        small = [cv2.resize(m, (width, height), interpolation=cv2.INTER_AREA) for m in maps]
        return np.array(small, np.float32).reshape(len(maps), height, width)

    def trace(self, layer: int | None) -> LayerTrace:
        """What methods are given: this question, at one of the chosen layers; the same for all."""
        return self._traces.setdefault(layer, LayerTrace(self, layer))


class LayerTrace:
    """What the model did at one layer, for the P targets of a :class:`Question`."""

    def __init__(self, question: Question, layer: int | None) -> None:
        self.question = question
        self.layer = layer

    @property
    def rows(self) -> np.ndarray:
        """int64 (P,): the image of each target."""
        return self.question.rows

    @cached_property
    def activations(self) -> np.ndarray:
        """float32 (B, h, w, C)."""
        return self.question.subject.activations(self.question.forward, self.layer)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the layer; those of the input's grid where there is no layer."""
        return self.question.input_grid if self.layer is None else self.activations.shape[1:3]

    @cached_property
    def mean_gradients(self) -> np.ndarray:
        """float32 (P, C): the mean over the grid of d(score) / d(activations)."""
        asked = self.question
        return asked.subject.mean_gradients(asked.forward, self.layer, self.rows, asked.seeds)

    @cached_property
    def gradients(self) -> np.ndarray:
        """float32 (P, h, w, C): d(score) / d(activations)."""
        asked = self.question
        return asked.subject.gradients(asked.forward, self.layer, self.rows, asked.seeds)

    @property
    def head_weights(self) -> np.ndarray:
        """float32 (C, n); see :meth:`Subject.head_weights`."""
        return self.question.subject.head_weights(self.layer)

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each target's activation and gradient, both float32 (h, w, C).

        One at a time: a sum over several targets at once may round in another way.
        """
        for row, gradient in zip(self.rows, self.gradients, strict=True):
            yield self.activations[row], gradient

    def combined(self, weights: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """ReLU of the channels' sum weighted by ``weights`` (P, C), float32 (P, h, w)."""
        maps = [
            # Not by BLAS, whose sums depend on the number of threads.
            np.einsum("hwc,c->hw", self.activations[row], own)
            for row, own in zip(self.rows, weights, strict=True)
        ]
        return self.positive(maps)

    def positive(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """ReLU of P maps (h, w), float32 (P, h, w)."""
        return rectified(np.array(maps, np.float32).reshape(len(maps), *self.grid))


def rectified(maps: np.ndarray) -> np.ndarray:
    """The positive part; written so that NaN stays: a broken map must not look like an empty one."""
    return np.where(maps < 0, np.float32(0), maps)
