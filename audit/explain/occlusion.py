"""Occlusion: how far the score falls when a patch of the image is covered."""

from __future__ import annotations

import numpy as np

from audit.errors import AuditError
from audit.explain.method import Option, method
from audit.explain.pixels import (
    FILLS,
    blocks,
    fill_colour,
    in_groups,
    in_whole_batches,
    scores_of_variants,
)
from audit.explain.question import LayerTrace, Question, rectified

OPTIONS = {
    "patch": Option("Side of the patch, pixels of the model's input; 0: a seventh of it.", 0),
    "stride": Option("Pixels between patches; 0: half the patch.", 0),
    "fill": Option("Colour of the patch: grey, black, or the image's own mean.", choices=FILLS),
}


def passes(question: Question, patch: int, stride: int, **_: object) -> int:
    patches = corners(question.input_size, *sides(question.input_size, patch, stride))
    return in_whole_batches(question, len(patches))


def check(question: Question, patch: int, stride: int, **_: object) -> list[str]:
    size = question.input_size
    patch, stride = sides(size, patch, stride)
    if patch > min(size):
        raise AuditError(
            "patch larger than the image", where="explain.options.occlusion.patch",
            expected=f"at most {min(size)}, the input's shorter side", received=patch,
        )  # fmt: skip
    if stride > patch:
        raise AuditError(
            "stride larger than the patch: pixels between patches would have no value",
            where="explain.options.occlusion.stride", expected=f"at most {patch}", received=stride,
        )  # fmt: skip
    n = len(corners(size, patch, stride))
    return [f"{n} patches of {patch}x{patch} pixels, {stride} apart"]


@method(
    "occlusion",
    "how far the score falls when a patch is covered",
    "Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV, 4.2",
    level="input",
    options=OPTIONS,
    passes=passes,
    check=check,
)
def occlusion(trace: LayerTrace, patch: int = 0, stride: int = 0, fill: str = "grey") -> np.ndarray:
    """Positive part of the mean of ``y(x) - y(x with the patch covered)`` over the patches on a pixel.

    float32 (P, h, w). All targets of an image share its forward passes. The last patch of a row or
    column is moved in to end at the image's border, so that every pixel is covered.
    """
    question = trace.question
    patch, stride = sides(question.input_size, patch, stride)
    places = corners(question.input_size, patch, stride)
    maps = np.empty((len(question.targets), *question.input_grid), np.float32)
    for row in np.unique(question.rows):
        own = question.of_image(row)
        drops = question.values[own, None] - covered_scores(question, row, places, patch, fill)
        maps[own] = in_groups(
            question,
            range(len(own)),
            lambda of, drops=drops: rectified(
                spread(drops[of], places, patch, question.input_size)
            ),
        )
    return maps


def sides(size: tuple[int, int], patch: int, stride: int) -> tuple[int, int]:
    """Patch and stride in pixels, where 0 leaves them to the input's size."""
    patch = patch or max(1, round(min(size) / 7))
    return patch, stride or max(1, patch // 2)


def corners(size: tuple[int, int], patch: int, stride: int) -> list[tuple[int, int]]:
    """Upper left corner (row, column) of each patch."""
    rows, columns = ([*range(0, side - patch, stride), side - patch] for side in size)
    return [(row, column) for row in rows for column in columns]


def covered_scores(
    question: Question, row: int, places: list[tuple[int, int]], patch: int, fill: str
) -> np.ndarray:
    """Scores of an image's targets with each patch covered, float64 (k, n)."""
    image = question.forward.pixels[row].astype(np.float32)
    colour = fill_colour(image, fill)
    scores = [question.targets[t].score for t in question.of_image(row)]
    found = []
    for block in blocks(places, question.subject.batch):
        images = np.repeat(image[None], len(block), axis=0)
        for covered, (top, left) in zip(images, block, strict=True):
            covered[top : top + patch, left : left + patch] = colour
        found.append(scores_of_variants(question, row, images, scores))
    return np.concatenate(found, axis=1)


def spread(
    drops: np.ndarray, places: list[tuple[int, int]], patch: int, size: tuple[int, int]
) -> np.ndarray:
    """Mean over the patches that cover a pixel, float32 (k, H, W) of drops (k, n)."""
    total, count = np.zeros((len(drops), *size), np.float32), np.zeros(size, np.float32)
    for drop, (top, left) in zip(drops.T, places, strict=True):
        total[:, top : top + patch, left : left + patch] += drop[:, None, None]
        count[top : top + patch, left : left + patch] += 1
    return total / count
