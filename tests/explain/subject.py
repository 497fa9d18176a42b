"""A model in NumPy whose derivatives are known in closed form, for tests of the methods."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from audit.explain import ClassScore, Question, Wanted

# The input, the side of a cell of the layer, the grid of methods that see pixels.
SIZE, CELL, GRID = (48, 60, 3), 12, 8
HEIGHT, WIDTH = SIZE[0] // CELL, SIZE[1] // CELL
CHANNELS, CLASSES, BATCH = 12, 4, 4


@dataclass(frozen=True)
class Answered:
    pixels: np.ndarray
    scores: np.ndarray
    handles: tuple[None]


class FakeSubject:
    """Cells of the image averaged, a 1x1 convolution, a ReLU, and a head that is mildly curved.

    ``a = ReLU(mean(x / 255) M + b)`` (h, w, K); ``u_k = sum_ij Q_ijk a_ijk``;
    ``score_n = scale sum_k (W_kn u_k + V_kn u_k^2 / 2)``. All is done image by image, so that no
    image can touch another, and what is handed out cannot be written to. ``broken``: places in the
    batch whose layer, and whatever follows from it, is NaN.
    """

    batch = BATCH

    def __init__(self, broken: Collection[int] = (), scale: float = 1.0) -> None:
        rng = np.random.default_rng(5)
        self.broken, self.scale = broken, np.float32(scale)
        self.mix = rng.normal(size=(3, CHANNELS)).astype(np.float32)
        self.bias = rng.normal(0.3, 0.2, CHANNELS).astype(np.float32)
        self.places = rng.uniform(0.02, 0.1, (HEIGHT, WIDTH, CHANNELS)).astype(np.float32)
        self.weights = rng.normal(size=(CHANNELS, CLASSES)).astype(np.float32)
        self.curves = rng.normal(0, 0.3, (CHANNELS, CLASSES)).astype(np.float32)
        self.most_images = 0
        """The largest number of images that was asked about at once."""

    def forward(self, pixels: np.ndarray) -> Answered:
        pixels = _fixed(pixels)
        scores = [self._scores(x, row) for row, x in enumerate(pixels)]
        return Answered(pixels, _fixed(scores), (None,))

    def activations(self, forward: Answered, layer: int) -> np.ndarray:
        return _fixed([self._layer(x, row) for row, x in enumerate(forward.pixels)])

    def mean_gradients(self, forward, layer, rows, seeds) -> np.ndarray:
        means = [g.mean(axis=(0, 1)) for g in self.gradients(forward, layer, rows, seeds)]
        return _fixed(means, (0, CHANNELS))

    def gradients(self, forward, layer, rows, seeds) -> np.ndarray:
        found = [self._slope(forward.pixels[r], r, s) for r, s in zip(rows, seeds, strict=True)]
        return _fixed(found, (0, HEIGHT, WIDTH, CHANNELS))

    def input_gradients(self, forward, images, rows, seeds, rule) -> np.ndarray:
        self.most_images = max(self.most_images, len(images))
        found = [
            self._input_slope(x, r, s, rule) for x, r, s in zip(images, rows, seeds, strict=True)
        ]
        return _fixed(found, (0, *SIZE))

    def scores_of(self, forward, images, rows) -> np.ndarray:
        self.most_images = max(self.most_images, len(images))
        found = [self._scores(x, row) for x, row in zip(images, rows, strict=True)]
        return _fixed(found, (0, CLASSES))

    def head_weights(self, layer: int) -> np.ndarray:
        return _fixed(self.weights)

    def fixations(self, forward, rows, outputs) -> list[np.ndarray]:
        """The middle of every cell in which the strongest channel of the outputs is at work."""
        found = []
        for row, own in zip(rows, outputs, strict=True):
            channel = self.weights[:, list(own)].sum(axis=1).argmax()
            cells = np.argwhere(self._layer(forward.pixels[row], row)[:, :, channel] > 0)
            found.append(cells * CELL + CELL // 2)
        return found

    def replaced_rules(self, rule: str) -> tuple[list[str], list[str]]:
        return ["relu"], []

    def _before(self, image: np.ndarray) -> np.ndarray:
        cells = np.float32(image).reshape(HEIGHT, CELL, WIDTH, CELL, 3).mean(axis=(1, 3)) / 255
        return np.einsum("hwc,ck->hwk", cells, self.mix) + self.bias

    def _layer(self, image: np.ndarray, row: int) -> np.ndarray:
        return self._broken(np.maximum(self._before(image), 0), row)

    def _pooled(self, image: np.ndarray, row: int) -> np.ndarray:
        return np.einsum("hwk,hwk->k", self.places, self._layer(image, row))

    def _scores(self, image: np.ndarray, row: int) -> np.ndarray:
        u = self._pooled(image, row)[:, None]
        return self.scale * (self.weights * u + self.curves * u**2 / 2).sum(axis=0)

    def _slope(self, image: np.ndarray, row: int, seed: np.ndarray) -> np.ndarray:
        """d(seed . scores) / d(layer), (h, w, K)."""
        by_pooled = self.weights + self.curves * self._pooled(image, row)[:, None]
        return self.scale * self.places * np.einsum("kn,n->k", by_pooled, seed)

    def _input_slope(self, image, row, seed, rule: str) -> np.ndarray:
        slope = self._slope(image, row, seed)
        if rule != "deconv":
            slope = np.where(self._before(image) > 0, slope, 0)
        if rule != "plain":
            slope = np.where(slope < 0, 0, slope)
        cells = np.einsum("hwk,ck->hwc", self._broken(slope, row), self.mix)
        return np.repeat(np.repeat(cells, CELL, axis=0), CELL, axis=1) / np.float32(255 * CELL**2)

    def _broken(self, values: np.ndarray, row: int) -> np.ndarray:
        return np.full_like(values, np.nan) if row in self.broken else values


def _fixed(values, empty: Sequence[int] = ()) -> np.ndarray:
    """An array that cannot be written to: float32, but for pixels."""
    dtype = np.uint8 if getattr(values, "dtype", None) == np.uint8 else np.float32
    array = np.array(values, dtype) if len(values) else np.empty(empty, dtype)
    array.setflags(write=False)
    return array


def photographs(count: int = BATCH, seed: int = 0) -> np.ndarray:
    """Noise with large shapes in it, uint8 (N, H, W, 3)."""
    rng = np.random.default_rng(seed)
    cells = rng.uniform(0, 1, (count, HEIGHT, WIDTH, 3))
    smooth = np.repeat(np.repeat(cells, CELL, axis=1), CELL, axis=2)
    return np.uint8(255 * (0.8 * smooth + 0.2 * rng.uniform(0, 1, smooth.shape)))


def question(
    subject: FakeSubject | None = None,
    rows: Sequence[int] = (2, 0, 2),
    outputs: Sequence[Sequence[int]] = ((1,), (0,), (2, 3)),
    pixels: np.ndarray | None = None,
    keys: Sequence[int] = (11, 12, 13, 14),
    kind: str = "logit",
) -> Question:
    """Targets in a batch of :func:`photographs`."""
    subject = subject or FakeSubject()
    wanted = [
        Wanted(row, ClassScore(tuple(own), kind, "softmax"))
        for row, own in zip(rows, outputs, strict=False)
    ]
    forward = subject.forward(photographs() if pixels is None else pixels)
    return Question(subject, forward, wanted, keys, GRID, seed=3)
