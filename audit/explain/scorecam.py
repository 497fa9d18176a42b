"""Score-CAM."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from audit.explain.method import Option, method
from audit.explain.pixels import FILLS, blocks, fill_colour, in_whole_batches, scores_of_variants
from audit.explain.question import LayerTrace, Question

SOFTMAX, INCREASE = "softmax", "increase"


def passes(question: Question, channels: int, weights: str, **_: object) -> int:
    """One for each channel of every chosen layer; constant ones are found, and skipped, later."""
    subject, forward = question.subject, question.forward
    widths = [subject.activations(forward, layer).shape[-1] for layer in question.layers]
    used = [(min(channels, n) if channels else n) + (weights == INCREASE) for n in widths]
    return sum(in_whole_batches(question, n) for n in used)


def check(question: Question, weights: str, **_: object) -> list[str]:
    if weights == SOFTMAX and question.targets[0].score.kind == "probability":
        return ["a softmax of probabilities is nearly even; `weights: increase` is made for them"]
    return []


@method(
    "scorecam",
    "channels weighted by the score of the image seen through each of them; slow",
    "Wang et al. 2020, Score-CAM, CVPR workshops, algorithm 1",
    options={
        "channels": Option(
            "Use only so many channels, those that vary most over the grid (Faster Score-CAM of "
            "tabayashi0117); 0: all.",
            0,
        ),
        "weights": Option(
            "`softmax`: over the channels, for logits (algorithm 1); `increase`: the increase of "
            "the score itself, for probabilities (the authors' code).",
            choices=(SOFTMAX, INCREASE),
        ),
        "fill": Option(
            "Colour of what a channel hides: grey, black, or the image's own mean.", choices=FILLS
        ),
    },
    passes=passes,
    check=check,
)
def scorecam(
    trace: LayerTrace, channels: int = 0, weights: str = SOFTMAX, fill: str = "grey"
) -> np.ndarray:
    """``ReLU(sum_k alpha_k A_k)``, ``alpha`` the softmax over k of ``y(X H_k) - y(X_b)``.

    ``H_k`` is channel k upsampled to the input (bilinear) and brought to 0-1, ``X_b`` an image of
    the fill alone. The softmax takes ``y(X_b)`` out again, so it is worked out for ``increase``
    only, where ``alpha`` is the difference itself. Channels that are constant get no weight.
    What is hidden fades to ``fill``: the paper multiplies the image, and its authors' code the
    normalised one, whose zero is close to grey.

    All targets of an image share the passes. Memory: one batch of masked float32 images.
    float32 (P, h, w), non-negative.
    """
    alphas = np.zeros((len(trace.rows), trace.activations.shape[-1]), np.float32)
    for row in np.unique(trace.rows):
        chosen = _chosen(trace.activations[row], channels)
        cells = trace.activations[row][:, :, chosen]
        if weights == INCREASE:  # a channel that is constant shows nothing: the baseline
            cells = np.concatenate([cells, np.zeros((*cells.shape[:2], 1), np.float32)], axis=2)
        found = _scores(trace.question, row, cells, fill)
        found = _softmax(found) if weights == SOFTMAX else found[:, :-1] - found[:, -1:]
        alphas[np.ix_(trace.question.of_image(row), chosen)] = found
    return trace.combined(alphas)


def _chosen(activation: np.ndarray, channels: int) -> np.ndarray:
    """Indices of the channels of (h, w, C) that are not constant, and of these the most varied."""
    low, high = activation.min(axis=(0, 1)), activation.max(axis=(0, 1))
    varying = np.flatnonzero(low != high)
    if channels and len(varying) > channels:
        spread = activation[:, :, varying].std(axis=(0, 1))
        varying = np.sort(varying[np.argsort(-spread, kind="stable")[:channels]])
    return varying


def _scores(question: Question, row: int, cells: np.ndarray, fill: str) -> np.ndarray:
    """Scores of an image's targets through each of ``cells`` (h, w, n), float64 (k, n)."""
    scores = [question.targets[t].score for t in question.of_image(row)]
    found = [
        scores_of_variants(question, row, images, scores)
        for images in _masked(question, row, cells, fill)
    ]
    return np.concatenate(found, axis=1) if found else np.empty((len(scores), 0))


def _masked(question: Question, row: int, cells: np.ndarray, fill: str) -> Iterator[np.ndarray]:
    """The image (H, W, C) through each channel, float32 (k, H, W, C): a batch at a time."""
    image = question.forward.pixels[row].astype(np.float32)
    colour = fill_colour(image, fill)
    for places in blocks(range(cells.shape[2]), question.subject.batch):
        masks = np.stack([_mask(cells[:, :, k], question.input_size) for k in places])
        images = masks[..., None] * (image - colour)
        images += colour
        yield images


def _mask(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A channel (h, w) at the input's (H, W), least 0 and most 1; zeros of a constant one."""
    cells = np.ascontiguousarray(cells)
    wide = cv2.resize(cells, size[::-1], interpolation=cv2.INTER_LINEAR)
    low, high = wide.min(), wide.max()
    return (wide - low) / (high - low if high != low else np.float32(1))


def _softmax(values: np.ndarray) -> np.ndarray:
    """Over the last axis of (k, n); n may be 0."""
    powers = np.exp(values - values.max(axis=1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=1, keepdims=True)
