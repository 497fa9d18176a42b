"""CNN Fixations: the pixels that a class score is unravelled to, by forward activations and weights.

Mopuri, Garg, Babu 2019, "CNN Fixations: An unraveling approach to visualize the discriminative
image regions", IEEE Transactions on Image Processing 28 (5). From the class's unit back to the
image, each layer says which of its inputs the unit owes most to; see
:mod:`audit.models.fixation_steps` for what each kind of layer does.

Fixations that meet are counted, where the authors' code merges them at every layer. Behind a mean
over 7x7 places hundreds of channels lead to nearly every place: merged, these were one point each,
so far apart that the outlier rule dropped all of them in four of five images (MobileNetV2); counted,
two thirds of what it keeps lies in boxes that cover four tenths of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from audit.models.fixation_graph import GraphReader
from audit.models.fixation_ops import READERS
from audit.models.fixation_steps import COLUMN, COUNT, ROW, met, start
from audit.models.runtime import tensorflow
from audit.models.trace import Trace

# An outlier has at most this share of all points, itself among them, nearer than the diagonal of
# the image divided by this.
SHARE = 0.05
NEAR = 10
# The heatmap's blur: standard deviation in pixels on an image of that many.
SIGMA, SIGMA_SIDE = 20.0, 224


class FixationWalk:
    """A traced model, read once as steps from its scores back to an image.

    Parameters
    ----------
    trace: the traced model.
    scores: tensor (B, n) of the class scores.
    source: tensor (B, H, W, C) at which the points end: the image as the model is given it.
    batch: B.

    Raises
    ------
    AuditError: an operation between the two that cannot be walked, by name and type.
    """

    def __init__(self, trace: Trace, scores: Any, source: Any, batch: int) -> None:
        self._trace = trace
        reader = GraphReader(trace, source, batch, READERS)
        self._steps = [(t.name, reader.shape(t), step) for t, step in reader.steps(scores)]
        self._scores, self._source = scores.name, source.name
        self._source_shape = reader.shape(source)
        looked_at = {self._scores: scores}
        for _, _, step in self._steps:
            if step.looks:
                graph = trace.function.graph
                looked_at |= {name: graph.get_tensor_by_name(name) for name in step.sources}
        self.fetches: list[Any] = list(looked_at.values())
        """Tensors whose values :meth:`points` needs, in the order of :meth:`activations`."""

    @property
    def bytes_per_image(self) -> int:
        """Memory that :meth:`activations` takes for one image of the batch."""
        return sum(4 * int(np.prod(t.shape.as_list()[1:])) for t in self.fetches)

    def activations(self, pixels: np.ndarray, *extras: np.ndarray) -> list[np.ndarray]:
        """Values of :attr:`fetches`, float32 (B, ...), for uint8 pixels (B, H, W, C).

        ``extras``: the model's other inputs (B, ...), in the order of ``Trace.extras``.
        """
        tf = tensorflow()
        found = self._forward(*map(tf.constant, (pixels, *extras)))
        # Over the tensors' own memory: a batch is gigabytes.
        return [np.asarray(memoryview(tf.cast(value, tf.float32))) for value in found]

    @cached_property
    def _forward(self) -> Any:
        feeds = [self._trace.pixels, *self._trace.extras.values()]
        return self._trace.callable(feeds, self.fetches)

    def points(
        self, activations: Sequence[np.ndarray], row: int, units: Sequence[int], sign: int = 1
    ) -> np.ndarray:
        """Where the score of a class leads to in one image of the batch.

        Where a class has several outputs, the walk starts from the one with the largest score: it
        has most of the class's own score, which is the logarithm of their exponentials' sum.

        Parameters
        ----------
        activations: values of :attr:`fetches`.
        row: the image's place in the batch.
        units: the class's outputs, indices into the scores.
        sign: -1 explains the negated score, as of "not the class" with one sigmoid unit.

        Returns
        -------
        int64 (N, 2): row and column on the source, in order; a pixel where several fixations met is
        there as many times. Each unit of the last vector that adds to the score is followed to the
        image by itself, so N is the number of these: 0 where nothing adds, and 1 where the head is
        one dense layer on a flattened map, or a convolution and a mean.
        """
        values = {
            tensor.name: _as_map(value[row])
            for tensor, value in zip(self.fetches, activations, strict=True)
        }
        scores = values[self._scores].ravel()
        unit = max(units, key=lambda u: sign * scores[u])
        arrived = {self._scores: [start(unit, sign)]}
        for name, shape, step in self._steps:
            here = met(arrived.pop(name, []), shape)
            if len(here):
                for source, points in step.back(here, values):
                    arrived.setdefault(source, []).append(points)
        ends = met(arrived.get(self._source, []), self._source_shape)
        return np.repeat(ends[:, [ROW, COLUMN]], ends[:, COUNT], axis=0)


def _as_map(value: np.ndarray) -> np.ndarray:
    return value if value.ndim == 3 else value.reshape(1, 1, -1)


def fixation_heatmap(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Points without outliers, counted at pixels and blurred.

    Parameters
    ----------
    points: int (N, 2), row and column on the model's input.
    height, width: of the model's input, pixels.

    Returns
    -------
    float32 (height, width), maximum 1; all 0 where no point is left.
    """
    kept = without_outliers(points, height, width)
    counts = np.zeros((height, width), np.float32)
    np.add.at(counts, (kept[:, 0], kept[:, 1]), 1)
    sigma = SIGMA * min(height, width) / SIGMA_SIDE
    # Mirrored at the border, as in the authors' code: no density is lost over the edge.
    blurred = cv2.GaussianBlur(counts, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    highest = blurred.max()
    return blurred / highest if highest > 0 else blurred


def without_outliers(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Those of int (N, 2) points that more than 5 % of all lie near to, within .1 of the diagonal.

    A point lies near to itself, as in the authors' code, so that a few points are all kept.
    """
    places, which, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    around = np.empty(len(places), np.int64)
    for k in range(0, len(places), 512):
        apart = places[k : k + 512, None] - places[None]
        near = (apart**2).sum(axis=2) * NEAR**2 < height**2 + width**2
        around[k : k + 512] = near @ counts
    return points[(around > SHARE * len(points))[which]]
