"""The maps of a sample under the model as it is now, and how two sets of maps compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

from audit.config.model import Config
from audit.explain import ClassScore, Question, Wanted
from audit.models.probe import Forward, ModelProbe
from audit.stages.compare_methods import area_average, ranks
from audit.stages.explain import Run
from audit.stages.loading import image_key
from audit.stages.metadata import OtherInputs
from audit.stages.sanity_sample import Sampled

# Side of the window of the structural similarity, as in Wang et al. 2004 with uniform weights.
WINDOW = 7


@dataclass(frozen=True)
class Plan:
    """One method at one layer: on how many images of the sample, and at which steps."""

    run: Run
    count: int
    stops: tuple[int, ...] = ()
    """How many units are redrawn when it is asked."""


class Asker:
    """Asks a model for maps of a sample; the same question each time, whatever its weights are."""

    def __init__(self, config: Config, probe: ModelProbe, sample: Sequence[Sampled]) -> None:
        self._config = config
        self._probe = probe
        self._sample = sample
        self._others = OtherInputs(config, probe.blank_inputs())

    def maps(self, plans: Sequence[Plan]) -> dict[str, np.ndarray]:
        """Name of a run -> float32 (count, h, w), native grid."""
        parts: dict[str, list[np.ndarray]] = {plan.run.name: [] for plan in plans}
        for start in range(0, max(plan.count for plan in plans), self._probe.batch):
            forward = self._forward(start)
            for count in sorted({plan.count for plan in plans if plan.count > start}):
                question = self.question(forward, start, count)
                for run in (plan.run for plan in plans if plan.count == count):
                    found = run.method.heatmaps(question.trace(run.place), run.options)
                    parts[run.name].append(found)
        return {name: np.concatenate(found) for name, found in parts.items()}

    def question(self, forward: Forward, start: int, count: int) -> Question:
        """The targets of one batch, of which only the first ``count`` of the sample are asked for."""
        facts, seed = self._probe.facts, self._config.audit.seed
        own = self._sample[start : min(start + self._probe.batch, count)]
        wanted = [
            Wanted(slot, ClassScore(one.outputs, facts.score, facts.activation))
            for slot, one in enumerate(own)
        ]
        keys = [image_key(one.file_name, seed) for one in own]
        return Question(self._probe, forward, wanted, keys, self._config.explain.grid, seed)

    def first_question(self) -> Question:
        """The first batch: what methods say of their cost is asked of it."""
        return self.question(self._forward(0), 0, len(self._sample))

    def _forward(self, start: int) -> Forward:
        own = self._sample[start : start + self._probe.batch]
        pixels = np.zeros((self._probe.batch, *own[0].loaded.pixels.shape), np.uint8)
        for slot, one in enumerate(own):
            pixels[slot] = one.loaded.pixels
        return self._probe.forward(pixels, self._others.batch([one.file_name for one in own]))


@dataclass(frozen=True)
class Ranked:
    """Maps as what their rank correlation is taken of.

    ``ranks`` float64 (n, cells): centred ranks of length 1, so that a product of two rows is
    Spearman's correlation; zeros where there is none. ``flat``, ``non_finite``: bool (n,).
    """

    ranks: np.ndarray
    flat: np.ndarray
    non_finite: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """bool (n,): the map has ranks."""
        return ~(self.flat | self.non_finite)


def ranked(maps: np.ndarray) -> Ranked:
    """Of maps float32 (n, h, w)."""
    values = maps.reshape(len(maps), -1).astype(np.float64)
    non_finite = ~np.isfinite(values).all(axis=1)
    values[non_finite] = 0
    centred = ranks(values)
    length = np.sqrt(np.einsum("nc,nc->n", centred, centred))[:, None]  # no BLAS: see audit.metrics
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return Ranked(unit, (length[:, 0] == 0) & ~non_finite, non_finite)


def paired(a: Ranked, b: Ranked) -> np.ndarray:
    """float64 (n,): Spearman's correlation of each record's two maps; NaN where one has no ranks."""
    return np.where(a.known & b.known, np.einsum("nc,nc->n", a.ranks, b.ranks), np.nan)


def crossed(a: Ranked, b: Ranked) -> float:
    """Mean correlation of a map in ``a`` with those of *other* images in ``b``; NaN if there is none.

    From the sums over all pairs less those of one image: no matrix of all pairs is made.
    """
    both = a.known & b.known
    pairs = int(a.known.sum()) * int(b.known.sum()) - int(both.sum())
    if pairs == 0:
        return np.nan
    total = np.einsum("c,c->", a.ranks.sum(axis=0), b.ranks.sum(axis=0))
    return float((total - np.nansum(paired(a, b))) / pairs)


def common(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 (n,): Spearman's correlation of maps (n, h, w) on the coarser of two grids."""
    grid = min(a.shape[1], b.shape[1]), min(a.shape[2], b.shape[2])
    return paired(*(ranked(area_average(maps, grid)) for maps in (a, b)))


def structural(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 (n,): structural similarity of maps (n, h, w), each over its own maximum.

    NaN where a map is not finite or zero everywhere, and on grids under three cells a side.
    """
    window = min(WINDOW, *a.shape[1:])
    window -= 1 - window % 2
    found = np.full(len(a), np.nan)
    for place, (one, other) in enumerate(zip(*map(_over_maximum, (a, b)), strict=True)):
        if window >= 3 and np.isfinite(one).all() and np.isfinite(other).all():
            found[place] = structural_similarity(one, other, win_size=window, data_range=1.0)
    return found


def _over_maximum(maps: np.ndarray) -> np.ndarray:
    top = maps.max(axis=(1, 2), keepdims=True).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.divide(maps, top, out=np.full(maps.shape, np.nan), where=top > 0)


def known_mean(values: np.ndarray) -> float:
    """The mean of what is known; NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
