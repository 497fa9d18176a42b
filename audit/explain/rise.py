"""RISE: random masks, weighted by what the model still sees through each."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from audit.errors import AuditError
from audit.explain.method import Option, method
from audit.explain.pixels import FILLS, blocks, fill_colour, in_whole_batches, scores_of_variants
from audit.explain.question import LayerTrace, Question

OPTIONS = {
    # A million masks of 7x7 cells are 65 MB, and all that is kept of them.
    "masks": Option("Random masks; each is a forward pass of each image.", 1, 1_000_000),
    "cells": Option("Rows and columns of a mask before it is enlarged.", 2, 64),
    "keep": Option("Probability that a cell leaves the image visible.", 0.01, 0.99),
    "fill": Option("What masked pixels fade to: grey, black, or the image's mean.", choices=FILLS),
}


def passes(question: Question, masks: int, **_: object) -> int:
    return in_whole_batches(question, masks)


def check(question: Question, cells: int, **_: object) -> list[str]:
    size = question.input_size
    if cells > min(size):
        raise AuditError(
            "more cells than pixels", where="explain.options.rise.cells",
            expected=f"at most {min(size)}, the input's shorter side", received=cells,
        )  # fmt: skip
    kind = question.targets[0].score.kind
    if kind == "probability":
        return []
    return [f"masks are weighted by the class's probability, as published, not by its {kind}"]


@method(
    "rise",
    "mean of random masks, weighted by the class's probability behind each",
    "Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for Explanation, BMVC, equation 6",
    level="input",
    options=OPTIONS,
    passes=passes,
    check=check,
)
def rise(
    trace: LayerTrace, masks: int = 4000, cells: int = 7, keep: float = 0.5, fill: str = "grey"
) -> np.ndarray:
    """``1 / (N p) sum_i f(x * M_i) M_i``, averaged over the cells of the grid, float32 (P, h, w).

    ``f`` is the class's probability whatever ``explain.score`` says: a logit, which may be negative
    and has no zero of its own, is no weight. Where the mask is 0 the image fades to ``fill``: the
    paper writes black, and its authors' code multiplies the normalised image, whose zero is close to
    grey. Masks are the same for all images, drawn once a run from the seed; at pixel size there is
    only one batch of them at a time, made anew for each batch of images (a thousandth of the work).

    How many: on MobileNetV2 the maps of two seeds correlate .95 at the paper's 4,000 masks, .91 at
    2,000, .86 at 1,000 and .74 at 500 (three photographs).
    """
    question = trace.question
    scores = [replace(t.score, kind="probability") for t in question.targets]
    drawn = draw(masks, cells, keep, question.input_size, question.seed)
    total = np.zeros((len(scores), *question.input_grid))
    for block in blocks(range(masks), question.subject.batch):
        seen = np.stack([enlarged(*drawn, k, question.input_size) for k in block])
        small = question.to_grid(seen)
        for row in np.unique(question.rows):
            own = question.of_image(row)
            images = masked(question.forward.pixels[row].astype(np.float32), seen, fill)
            weights = scores_of_variants(question, row, images, [scores[t] for t in own])
            for target, weight in zip(own, weights, strict=True):
                # Not by BLAS, whose sums depend on the number of threads.
                total[target] += np.einsum("n,nhw->hw", weight, small)
    return (total / (masks * keep)).astype(np.float32)


@lru_cache(maxsize=1)
def draw(
    masks: int, cells: int, keep: float, size: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells, uint8 (N, s, s) of 0 and 1, and shifts (down, right) in pixels, int (N, 2)."""
    rng = np.random.default_rng(seed)
    visible = np.empty((masks, cells, cells), np.uint8)
    for one in visible:
        one[:] = rng.random(one.shape) < keep
    return visible, rng.integers(0, _cell(size, cells), (masks, 2))


def enlarged(visible: np.ndarray, shifts: np.ndarray, k: int, size: tuple[int, int]) -> np.ndarray:
    """The k-th mask, float32 (H, W) in 0-1: enlarged by a cell more than the image, then cut."""
    cells = visible.shape[1]
    height, width = ((cells + 1) * side for side in _cell(size, cells))
    wide = cv2.resize(
        visible[k].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    down, right = shifts[k]
    return wide[down : down + size[0], right : right + size[1]]


def masked(image: np.ndarray, seen: np.ndarray, fill: str) -> np.ndarray:
    """float32 (n, H, W, C): the image (H, W, C) behind each of the masks (n, H, W)."""
    colour = fill_colour(image, fill)
    return colour + seen[..., None] * (image - colour)


def _cell(size: tuple[int, int], cells: int) -> tuple[int, int]:
    """Height and width of a cell, rounded up, so that the cells cover the image."""
    return -(-size[0] // cells), -(-size[1] // cells)
