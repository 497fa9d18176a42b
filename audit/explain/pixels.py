"""What methods that answer at the pixels share.

Their memory: no array holds more pixels than one batch of float32 images, ``run.batch_size`` of
them, whatever the number of targets, samples or masks; maps are brought to the grid as soon as they
are made. Their bytes: all work goes through in blocks of the batch size, and sums are taken in the
order of the samples, so that neither an image's neighbours nor its place matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from audit.explain.method import Option
from audit.explain.question import Question, rectified
from audit.explain.score import ClassScore

Item = TypeVar("Item")

# What a forward pass and its way back cost, in forward passes (measured on MobileNetV2: 2.6).
GRADIENT_PASSES = 3

REDUCE = Option(
    "One number of a pixel's channels: the largest or the summed absolute value of the gradient, or "
    "the sum of its positive part.",
    choices=("max", "sum", "positive"),
)
FILLS = ("grey", "black", "mean")


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one shorter."""
    source = iter(items)
    while block := list(islice(source, size)):
        yield block


def reduced(gradients: np.ndarray, how: str) -> np.ndarray:
    """float32 (k, H, W), not negative, of gradients (k, H, W, C): see :data:`REDUCE`."""
    if how == "positive":
        return rectified(gradients).sum(axis=-1)
    size = np.abs(gradients)
    return size.max(axis=-1) if how == "max" else size.sum(axis=-1)


def fill_colour(image: np.ndarray, fill: str) -> np.ndarray:
    """float32 (C,) in 0-255: black, the middle of the scale, or the image's own mean."""
    if fill == "mean":
        return image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return np.full(image.shape[-1], {"black": 0.0, "grey": 127.5}[fill], np.float32)


def gradient_maps(question: Question, rule: str, reduce: str) -> np.ndarray:
    """Gradients at the images themselves by a rule, reduced, on the grid: float32 (P, h, w)."""
    return in_groups(
        question,
        range(len(question.targets)),
        lambda of: reduced(question.input_gradients(of, rule), reduce),
    )


def in_groups(
    question: Question, of: Sequence[int], make: Callable[[list[int]], np.ndarray]
) -> np.ndarray:
    """``make(targets)``, pixel maps (k, H, W), for a batch of targets at a time: on the grid."""
    maps = [question.to_grid(make(group)) for group in blocks(of, question.subject.batch)]
    return np.concatenate(maps) if maps else np.empty((0, *question.input_grid), np.float32)


def of_each_image(
    question: Question, make: Callable[[np.ndarray, list[int]], np.ndarray]
) -> np.ndarray:
    """``make(image, targets)``, pixel maps (k, H, W), for each image by itself: (P, h, w)."""
    maps = np.empty((len(question.targets), *question.input_grid), np.float32)
    for row in np.unique(question.rows):
        own = question.of_image(row)
        image = question.forward.pixels[row].astype(np.float32)
        maps[own] = in_groups(question, own, lambda of, image=image: make(image, of))
    return maps


def gradient_sum(
    question: Question,
    of: list[int],
    variants: Iterable[np.ndarray],
    term: Callable[[np.ndarray], np.ndarray] = lambda gradient: gradient,
) -> np.ndarray:
    """Sum of ``term(d(score) / d(image))`` over variants (H, W, C) of an image, for its targets.

    float32 (k, H, W, C). Variants are taken one by one, for all targets each.
    """
    total = np.zeros((len(of), *question.forward.pixels.shape[1:]), np.float32)
    pairs = ((image, place) for image in variants for place in range(len(of)))
    for block in blocks(pairs, question.subject.batch):
        images, places = zip(*block, strict=True)
        found = question.gradients_at(np.stack(images), [of[place] for place in places])
        for place, gradient in zip(places, found, strict=True):
            total[place] += term(gradient)
        question.tick(GRADIENT_PASSES * question.subject.batch)
    return total


def scores_of_variants(
    question: Question, row: int, images: np.ndarray, scores: Sequence[ClassScore]
) -> np.ndarray:
    """These scores of variants (N, H, W, C) of an image, at most a batch of them: float64 (k, N)."""
    found = question.subject.scores_of(question.forward, images, np.full(len(images), row))
    question.tick(question.subject.batch)
    return np.array([score.values(found) for score in scores])


def gradient_cost(question: Question, steps: int) -> int:
    """Forward passes that an image's gradients at ``steps`` variants cost, for all its targets."""
    return GRADIENT_PASSES * in_whole_batches(question, steps * question.targets_per_image)


def in_whole_batches(question: Question, count: float) -> int:
    """``count`` images of one kind as they are run: the last batch is padded, and costs as much."""
    batch = question.subject.batch
    return math.ceil(count / batch) * batch
