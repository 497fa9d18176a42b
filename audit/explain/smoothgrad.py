"""SmoothGrad: the gradient, averaged over noisy copies of the image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from audit.explain.method import Option, method
from audit.explain.pixels import REDUCE, gradient_cost, gradient_sum, of_each_image, reduced
from audit.explain.question import LayerTrace, Question

OPTIONS = {
    "samples": Option("Noisy copies of each image.", 1, 10_000),
    "noise": Option("Standard deviation of the noise, of the image's own range of values.", 0, 10),
    "average": Option(
        "`mean` of the gradients, as published, or of their squares (`squared`: SmoothGrad-Squared).",
        choices=("mean", "squared"),
    ),
    "reduce": REDUCE,
}


def passes(question: Question, samples: int, **_: object) -> int:
    return gradient_cost(question, samples)


@method(
    "smoothgrad",
    "size of the gradient's mean over noisy copies of the image",
    "Smilkov et al. 2017, SmoothGrad: removing noise by adding noise, ICML workshop, section 3",
    level="input",
    options=OPTIONS,
    passes=passes,
)
def smoothgrad(
    trace: LayerTrace,
    samples: int = 25,
    noise: float = 0.15,
    average: str = "mean",
    reduce: str = "max",
) -> np.ndarray:
    """``1/n sum_k dy/dx (x + e_k)``, then its absolute value; ``e_k`` normal.

    The absolute value is taken of the mean, as the paper does, not the mean of absolute values: what
    changes its sign with the noise is to vanish. Samples and noise are those of the authors' code
    (PAIR, ``GetSmoothedMask``), whose mean is of squares: here ``average: squared`` (also Hooker et
    al. 2019). Noise is the same for all targets of an image, and does not depend on its batch; noisy
    values are not clipped. float32 (P, h, w).
    """
    question = trace.question
    term = np.square if average == "squared" else np.asarray

    def explain(image: np.ndarray, of: list[int]) -> np.ndarray:
        key = question.keys[question.rows[of[0]]]
        copies = noisy(image, key, samples, noise)
        return reduced(gradient_sum(question, of, copies, term) / np.float32(samples), reduce)

    return of_each_image(question, explain)


def noisy(image: np.ndarray, key: int, samples: int, noise: float) -> Iterator[np.ndarray]:
    """Noisy copies, float32 (H, W, C) each, of an image in 0-255."""
    rng = np.random.default_rng(key)
    spread = np.float32(noise) * (image.max() - image.min())
    for _ in range(samples):
        yield image + spread * rng.standard_normal(image.shape, np.float32)
