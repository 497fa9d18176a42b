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

import numpy as np

from audit.models.fixation_graph import GraphReader
from audit.models.fixation_ops import READERS
from audit.models.fixation_steps import COLUMN, COUNT, ROW, met, start
from audit.models.runtime import tensorflow
from audit.models.trace import Trace


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
        there as many times. Units that add to the score, in the vector next to the last map, are
        followed to the image one by one, so N is their number: 0 where nothing adds, and 1 where
        the head is one dense layer on a flattened map, or a convolution and a mean.
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
