"""The same-class shuffled baselines: other images' maps laid on this image's boxes.

A map that ignores its image and always lights the middle still finds centred objects. How much of a
class's score is of that kind is told by laying the maps of the class's *other* images on each
image's boxes. Every number here is over such pairs (map j, image i) with j != i.

All pairs are taken for up to :data:`EXACT_RECORDS` records. Beyond, each record meets
:data:`N_PARTNERS` others, so that the cost grows with n and not with its square. Partners are dealt
by turning a randomly ordered circle of the records by distinct steps: each image then meets
distinct maps, never its own, and each map is used equally often, which independent draws would not
give.

Duplicates of an image would meet their own map: the caller counts near-duplicates once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_RECORDS = 512

# A class rate over 64 n pairs differs from all pairs' by sampling alone: a standard error under
# .003 at n = 513, far inside the interval that n records leave open anyway.
N_PARTNERS = 64

# Below this the ceiling is too near the even spread for skill to tell anything (metrics.md).
MIN_CEILING_GAP = 0.2

MIN_ENERGY_SKILL = 0.1

# Numbers gathered at once, per array: 16 MB of float64.
_CHUNK = 1 << 21


def energy_skill(
    energy_in_box: ArrayLike,
    area_fraction: ArrayLike,
    ceiling: ArrayLike,
    min_gap: float = MIN_CEILING_GAP,
) -> NDArray[np.float64]:
    """(energy - area) / (ceiling - area), at most 1; 0 is an even spread (metrics.md).

    Parameters
    ----------
    energy_in_box, area_fraction, ceiling: fractions, broadcast against each other.
    min_gap: the least ceiling - area_fraction.

    Returns
    -------
    float64 in their shape; NaN where the gap is smaller or an input is NaN.
    """
    area_fraction = np.asarray(area_fraction, dtype=np.float64)
    gap = np.asarray(ceiling, dtype=np.float64) - area_fraction
    gap = np.where(gap >= min_gap, gap, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.minimum((np.asarray(energy_in_box, np.float64) - area_fraction) / gap, 1.0)


@dataclass(frozen=True)
class ClassMaps:
    """The scored records of one class, one row each, with one method's maps on one native grid.

    Raises ``ValueError`` where lengths differ or a point, view or box is not finite: an unscored
    record does not belong here. Arrays may be memory-mapped: they are read in chunks.
    """

    heatmaps: NDArray[np.float32]
    """(n, cells), non-negative, rows in any one order of the cells."""
    box_weights: NDArray
    """(n, cells): U^T 1_M, what each cell weighs inside image i's boxes."""
    view_weights: NDArray
    """(n, cells): U^T 1_V, what each cell weighs inside image i's view; same scale."""
    ceilings: NDArray
    """(n,) energy_ceiling."""
    area_fractions: NDArray
    """(n,) share of the view in the boxes."""
    points: NDArray
    """(n, 2) the maximum as (u, v), fractions of the model's input, x first."""
    views: NDArray
    """(n, 4) xyxy: the rectangle of original pixels that the model's input covers."""
    sizes: NDArray
    """(n, 2) width and height of the original image in pixels."""
    boxes: Sequence[NDArray]
    """n arrays of (k_i, 4), xyxy in original pixels; k_i may be 0: every point misses."""

    def __post_init__(self) -> None:
        n = len(self.heatmaps)
        grid = np.shape(self.heatmaps)
        expected = {"box_weights": grid, "view_weights": grid, "ceilings": (n,)}
        expected |= {"area_fractions": (n,), "points": (n, 2), "views": (n, 4), "sizes": (n, 2)}
        for name, shape in expected.items():
            received = np.shape(getattr(self, name))
            if received != shape or len(grid) != 2:
                raise ValueError(f"{name}: expected shape {shape}, received {received}")
        if len(self.boxes) != n:
            raise ValueError(f"boxes: expected {n} arrays, received {len(self.boxes)}")
        for name in ("points", "views", "sizes"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name}: expected finite numbers; leave unscored records out")

    def __len__(self) -> int:
        return len(self.heatmaps)

    def take(self, rows: ArrayLike) -> ClassMaps:
        """The records at integer positions ``rows``, in that order."""
        rows = np.asarray(rows, dtype=np.intp)
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "boxes"}
        return ClassMaps(**arrays, boxes=[self.boxes[i] for i in rows])


@dataclass(frozen=True)
class ShuffledBaselines:
    """What the class's maps reach on images that are not their own; NaN where nothing was."""

    n_records: int
    n_partners: int
    """Other maps laid on each image; n_records - 1 when exact."""
    exact: bool
    """All pairs were taken."""
    pointing: float
    """Mean hit of the other maps' maxima: ``pointing_shuffled``."""
    energy_skill: float
    """Mean over images of the other maps' mean skill, where observed."""
    background_focused: float
    """Share of pairs that miss with a skill under the limit, of pairs with a skill."""
    pointing_by_record: NDArray[np.float64]
    """(n,) share of the other maps that hit image i."""
    energy_skill_by_record: NDArray[np.float64]
    """(n,) mean skill of the other maps on image i."""
    skill_over_shuffled: NDArray[np.float64]
    """(n,) own skill minus the former."""


def shuffled_baselines(
    maps: ClassMaps,
    *,
    tolerance: float = 0.0,
    min_energy_skill: float = MIN_ENERGY_SKILL,
    min_gap: float = MIN_CEILING_GAP,
    exact_records: int = EXACT_RECORDS,
    n_partners: int = N_PARTNERS,
    seed: int | np.random.Generator = 0,
) -> ShuffledBaselines:
    """The baselines of one class, over all pairs or a seeded, balanced part of them.

    Parameters
    ----------
    maps: the records; which ones (all scored, or the eligible) is the caller's choice.
    tolerance: pixels a point may lie off a box and still hit, inclusive.
    min_energy_skill: a pair is background-focused when it misses with a skill under this.
    min_gap: least ceiling - area_fraction, see :func:`energy_skill`.
    exact_records: all pairs are taken up to this many records.
    n_partners: partners per record beyond it.
    seed: seed or generator; used only when pairs are sampled. The same seed and order of records
        give the same numbers.

    Returns
    -------
    ``ShuffledBaselines``. With fewer than two records there is no other image: NaN throughout.

    Raises
    ------
    ValueError: a negative tolerance or fewer than one partner.
    """
    if not tolerance >= 0 or n_partners < 1:
        raise ValueError("tolerance, n_partners: expected at least 0 and at least 1")
    n = len(maps)
    exact = n <= max(exact_records, n_partners + 1)
    circle, steps = _deal(n, None if exact else n_partners, np.random.default_rng(seed))
    tally = _Tally(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n))
    own = np.full(n, np.nan)
    for images, turns in _blocks(maps, len(steps)):
        rows = circle[images]
        on = _Targets.of(maps, rows)
        own[rows] = on.skill(maps.heatmaps[rows][None], min_gap)[0]
        for turn in turns:
            partners = circle[(images + steps[turn][:, None]) % n]
            skill = on.skill(maps.heatmaps[partners], min_gap)
            hit = on.hit(maps.points[partners], tolerance)
            tally.add(rows, hit, skill, min_energy_skill)
    return _summary(tally, own, len(steps), exact)


def skill_matrix(
    maps: ClassMaps,
    *,
    min_gap: float = MIN_CEILING_GAP,
    max_records: int = EXACT_RECORDS,
    seed: int | np.random.Generator = 0,
) -> NDArray[np.float64]:
    """Energy skill of every map on every image, for :func:`.significance.permutation_p`.

    Parameters
    ----------
    maps: the records of one class.
    min_gap: see :func:`energy_skill`.
    max_records: of more records, a seeded subset of this many without replacement, in order.
    seed: seed or generator of that subset.

    Returns
    -------
    (m, m) float64, m = min(n, max_records); ``[j, i]`` is map j laid on image i's boxes, NaN where
    image i's gap is under ``min_gap`` or map j has no energy in its view.
    """
    rows = np.arange(len(maps))
    if len(maps) > max_records:
        drawn = np.random.default_rng(seed).choice(len(maps), size=max_records, replace=False)
        rows = np.sort(drawn)
    heatmaps = np.asarray(maps.heatmaps[rows], dtype=np.float64)
    inside, view = (
        np.einsum("jc,ic->ji", heatmaps, np.asarray(weights[rows], dtype=np.float64))
        for weights in (maps.box_weights, maps.view_weights)
    )
    return _skill_of_sums(inside, view, maps.area_fractions[rows], maps.ceilings[rows], min_gap)


# --- pairs ----------------------------------------------------------------------------------------


def _deal(
    n: int, n_partners: int | None, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A circle of the records and the steps by which it turns; None takes every step.

    The image at place a meets the maps at places a + step.
    """
    if n_partners is None:
        return np.arange(n), np.arange(1, n)
    return rng.permutation(n), 1 + rng.choice(n - 1, size=n_partners, replace=False)


def _blocks(maps: ClassMaps, n_steps: int) -> Iterator[tuple[NDArray[np.intp], list[slice]]]:
    """Places of the circle, and slices of the steps, that fit in :data:`_CHUNK` together."""
    n = len(maps)
    cost = maps.heatmaps.shape[1] + max(map(len, maps.boxes), default=0)
    rows = max(1, _CHUNK // max(cost, 1))
    for start in range(0, n, rows):
        images = np.arange(start, min(start + rows, n))
        width = max(1, _CHUNK // max(cost * len(images), 1))
        yield images, [slice(s, s + width) for s in range(0, n_steps, width)]


class _Targets(NamedTuple):
    """A chunk of r images on which maps are laid."""

    box_weights: NDArray
    view_weights: NDArray
    area_fractions: NDArray
    ceilings: NDArray
    views: NDArray
    sizes: NDArray
    boxes: NDArray
    """(b, 4): the boxes of all r images, one image after the other."""
    n_boxes: NDArray
    """(r,)."""

    @classmethod
    def of(cls, maps: ClassMaps, rows: NDArray[np.intp]) -> _Targets:
        boxes = [np.asarray(maps.boxes[i], dtype=np.float64).reshape(-1, 4) for i in rows]
        together = np.concatenate(boxes) if boxes else np.empty((0, 4))
        if not np.isfinite(together).all():
            raise ValueError("boxes: expected finite numbers")
        named = (maps.box_weights, maps.view_weights, maps.area_fractions, maps.ceilings)
        rest = (np.asarray(maps.views[rows], np.float64), np.asarray(maps.sizes[rows], np.float64))
        counts = np.array([len(b) for b in boxes], dtype=np.intp)
        return cls(*(np.asarray(a[rows], np.float64) for a in named), *rest, together, counts)

    def skill(self, heatmaps: NDArray, min_gap: float) -> NDArray[np.float64]:
        """(t, r) skill of ``heatmaps`` (t, r, cells), of which [:, i] are laid on image i."""
        heatmaps = np.asarray(heatmaps, dtype=np.float64)
        inside = np.einsum("tic,ic->ti", heatmaps, self.box_weights)
        view = np.einsum("tic,ic->ti", heatmaps, self.view_weights)
        return _skill_of_sums(inside, view, self.area_fractions, self.ceilings, min_gap)

    def hit(self, points: NDArray, tolerance: float) -> NDArray[np.bool_]:
        """(t, r) whether ``points`` (t, r, 2), of which [:, i] are laid on image i, hit it."""
        corner, extent = self.views[:, :2], self.views[:, 2:] - self.views[:, :2]
        xy = corner + np.asarray(points, dtype=np.float64) * extent
        in_image = ((xy >= 0) & (xy <= self.sizes)).all(axis=2)
        hit = np.zeros(in_image.shape, dtype=bool)
        boxed = self.n_boxes > 0
        if boxed.any():
            of_image = np.repeat(np.arange(len(self.n_boxes)), self.n_boxes)
            near = _within(xy[:, of_image], self.boxes, tolerance)
            first = np.cumsum(self.n_boxes[boxed]) - self.n_boxes[boxed]
            hit[:, boxed] = np.logical_or.reduceat(near, first, axis=1)
        return hit & in_image


def _within(xy: NDArray, boxes: NDArray, tolerance: float) -> NDArray[np.bool_]:
    """Whether points (..., b, 2) lie within ``tolerance`` of boxes (b, 4), edges included."""
    off = np.maximum(np.maximum(boxes[:, :2] - xy, xy - boxes[:, 2:]), 0)
    return np.square(off).sum(axis=-1) <= tolerance**2


def _skill_of_sums(
    inside: NDArray, view: NDArray, area: NDArray, ceiling: NDArray, min_gap: float
) -> NDArray[np.float64]:
    """Energy skill from energies; NaN for a map without energy in the view."""
    with np.errstate(invalid="ignore", divide="ignore"):
        energy = np.where(view > 0, inside / view, np.nan)
    return energy_skill(energy, area, ceiling, min_gap)


class _Tally(NamedTuple):
    """Sums per record over the pairs met so far; (n,) float64 each."""

    hits: NDArray
    skills: NDArray
    n_skills: NDArray
    focused: NDArray

    def add(self, rows: NDArray, hit: NDArray, skill: NDArray, min_energy_skill: float) -> None:
        self.hits[rows] += hit.sum(axis=0)
        self.skills[rows] += np.nansum(skill, axis=0)
        self.n_skills[rows] += (~np.isnan(skill)).sum(axis=0)
        self.focused[rows] += (~hit & (skill < min_energy_skill)).sum(axis=0)


def _summary(tally: _Tally, own: NDArray, n_partners: int, exact: bool) -> ShuffledBaselines:
    with np.errstate(invalid="ignore", divide="ignore"):
        pointing = tally.hits / np.float64(n_partners)
        skill = tally.skills / tally.n_skills
        focused = tally.focused.sum() / tally.n_skills.sum()
    return ShuffledBaselines(
        n_records=len(own),
        n_partners=n_partners,
        exact=exact,
        pointing=_mean_observed(pointing),
        energy_skill=_mean_observed(skill),
        background_focused=float(focused),
        pointing_by_record=pointing,
        energy_skill_by_record=skill,
        skill_over_shuffled=own - skill,
    )


def _mean_observed(values: NDArray) -> float:
    """Mean without NaN; NaN, and no warning, where nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
