"""Maps of a class laid on its images: the skill and the distance of each pair.

All pairs are taken for up to :data:`EXACT_RECORDS` records. Beyond, each record meets
:data:`N_PARTNERS` others, so that the cost grows with n and not with its square. Partners are dealt
by turning a randomly ordered circle of the records by distinct steps: each image then meets
distinct maps, never its own, and each map is used equally often, which independent draws would not
give.

Pairs are laid once and asked many times: baselines, the permutation test and other settings of the
rule all read the same :class:`Laid`. No sum here is BLAS's, whose order depends on threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT_RECORDS = 512

# A class rate over 64 n pairs differs from all pairs' by sampling alone: a standard error under
# .003 at n = 513, far inside the interval that n records leave open anyway.
N_PARTNERS = 64

# Below this the ceiling is too near the even spread for skill to tell anything (metrics.md).
MIN_CEILING_GAP = 0.2

# Numbers gathered at once, per array: 2 MB of float64, which a core's cache holds.
_CHUNK = 1 << 18


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
    clusters: NDArray[np.int64] | None = None
    """(n,) number of each record's cluster: maps of near-duplicates, or of one video, are no other
    images' maps to each other. None: each record is its own."""

    def __post_init__(self) -> None:
        n = len(self.heatmaps)
        if self.clusters is None:
            object.__setattr__(self, "clusters", np.arange(n))
        grid = np.shape(self.heatmaps)
        expected = {"box_weights": grid, "view_weights": grid, "ceilings": (n,)}
        expected |= {"area_fractions": (n,), "points": (n, 2), "views": (n, 4), "sizes": (n, 2)}
        expected |= {"clusters": (n,)}
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
class Laid:
    """What n maps reach on each other's images."""

    skill: NDArray[np.float64]
    """(k, n): energy skill of the k-th map laid on image i; NaN where image i's gap is too small or
    the map has no energy in its view. When exact, k = n and row j is map j, so that the diagonal is
    each record's own."""
    off: NDArray[np.float64]
    """(k, n): squared distance of that map's maximum to image i's nearest box, pixels of the
    original; inf outside the image and where there is no box."""
    others: NDArray[np.bool_]
    """(k, n): the map is that of another image, and of another cluster."""
    own: NDArray[np.float64]
    """(n,): skill of each map on its own image."""
    exact: bool
    """All pairs were taken."""

    def __len__(self) -> int:
        return len(self.own)

    @property
    def n_partners(self) -> int:
        """Other maps laid on an image, at most; those of its own cluster are none."""
        return int(self.others.sum(axis=0).max(initial=0))

    def take(self, rows: ArrayLike) -> Laid:
        """The records at integer positions ``rows`` among each other; of an exact one alone."""
        if not self.exact:
            raise ValueError("take: expected all pairs")
        pairs = np.ix_(np.asarray(rows, np.intp), np.asarray(rows, np.intp))
        own = self.own[pairs[1][0]]
        return Laid(self.skill[pairs], self.off[pairs], self.others[pairs], own, True)


def lay(
    maps: ClassMaps,
    *,
    min_gap: float = MIN_CEILING_GAP,
    exact_records: int = EXACT_RECORDS,
    n_partners: int = N_PARTNERS,
    seed: int | np.random.Generator = 0,
) -> Laid:
    """Lay the maps of a class on its images, all pairs or a seeded, balanced part of them.

    Parameters
    ----------
    maps: the records; which ones (all scored, or the eligible) is the caller's choice.
    min_gap: least ceiling - area_fraction, see :func:`energy_skill`.
    exact_records: all pairs are taken up to this many records.
    n_partners: partners per record beyond it.
    seed: seed or generator; used only when pairs are sampled. The same seed and order of records
        give the same numbers.

    Raises
    ------
    ValueError: fewer than one partner, a box that is not finite.
    """
    if n_partners < 1:
        raise ValueError(f"n_partners: expected at least 1, received {n_partners}")
    n = len(maps)
    everyone = np.arange(n)
    if n <= max(exact_records, n_partners + 1):
        skill = _all_skills(maps, min_gap)
        partners = np.broadcast_to(everyone[:, None], (n, n))
        others = _others(maps, partners)
        return Laid(skill, _off(maps, partners), others, np.diagonal(skill).copy(), True)
    partners = _deal(n, n_partners, np.random.default_rng(seed))
    return Laid(
        _skills(maps, partners, min_gap),
        _off(maps, partners),
        _others(maps, partners),
        _skills(maps, everyone[None], min_gap)[0],
        False,
    )


def _deal(n: int, n_partners: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n_partners, n): which maps each image meets: the circle, turned by each step."""
    circle = rng.permutation(n)
    steps = 1 + rng.choice(n - 1, size=n_partners, replace=False)
    place = np.argsort(circle)
    return circle[(place + steps[:, None]) % n]


def _others(maps: ClassMaps, partners: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(k, n): map ``partners[t, i]`` is not of image i's cluster, nor its own."""
    return maps.clusters[partners] != maps.clusters


def _all_skills(maps: ClassMaps, min_gap: float) -> NDArray[np.float64]:
    """(n, n) skill of map j on image i."""
    heatmaps = np.asarray(maps.heatmaps, np.float64)
    inside, view = (
        np.einsum("jc,ic->ji", heatmaps, np.asarray(weights, np.float64))
        for weights in (maps.box_weights, maps.view_weights)
    )
    return _skill_of_sums(inside, view, maps.area_fractions, maps.ceilings, min_gap)


def _skills(maps: ClassMaps, partners: NDArray[np.intp], min_gap: float) -> NDArray[np.float64]:
    """(k, n) skill of map ``partners[t, i]`` on image i."""
    inside, view = np.empty(partners.shape), np.empty(partners.shape)
    rows = max(1, _CHUNK // max(maps.heatmaps.shape[1], 1))
    for start in range(0, len(maps), rows):
        some = slice(start, start + rows)
        box = np.asarray(maps.box_weights[some], np.float64)
        whole = np.asarray(maps.view_weights[some], np.float64)
        for t, met in enumerate(partners[:, some]):
            heatmaps = np.asarray(maps.heatmaps[met], np.float64)
            inside[t, some] = np.einsum("ic,ic->i", heatmaps, box)
            view[t, some] = np.einsum("ic,ic->i", heatmaps, whole)
    return _skill_of_sums(inside, view, maps.area_fractions, maps.ceilings, min_gap)


def _skill_of_sums(
    inside: NDArray, view: NDArray, area: NDArray, ceiling: NDArray, min_gap: float
) -> NDArray[np.float64]:
    """Energy skill from energies; NaN for a map without energy in the view."""
    with np.errstate(invalid="ignore", divide="ignore"):
        energy = np.where(view > 0, inside / view, np.nan)
    return energy_skill(energy, area, ceiling, min_gap)


def _off(maps: ClassMaps, partners: NDArray[np.intp]) -> NDArray[np.float64]:
    """(k, n) squared distance of the maximum of map ``partners[t, i]`` to image i's boxes."""
    off = np.full(partners.shape, np.inf)
    points = np.asarray(maps.points, np.float64)
    for i, boxes in enumerate(maps.boxes):
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        if not np.isfinite(boxes).all():
            raise ValueError("boxes: expected finite numbers")
        corner, extent = maps.views[i, :2], maps.views[i, 2:] - maps.views[i, :2]
        xy = corner + points[partners[:, i]] * extent
        in_image = ((xy >= 0) & (xy <= maps.sizes[i])).all(axis=1)
        if len(boxes):
            off[:, i] = np.where(in_image, _nearest_squared(xy, boxes), np.inf)
    return off


def _nearest_squared(xy: NDArray, boxes: NDArray) -> NDArray[np.float64]:
    """(k,) squared distance of points (k, 2) to the nearest of (b, 4) boxes; 0 inside."""
    beyond = np.maximum(boxes[None, :, :2] - xy[:, None], xy[:, None] - boxes[None, :, 2:])
    return np.square(np.maximum(beyond, 0)).sum(axis=2).min(axis=1)


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
    (m, m) float64, m = min(n, max_records); ``[j, i]`` as :attr:`Laid.skill`.
    """
    if len(maps) > max_records:
        drawn = np.random.default_rng(seed).choice(len(maps), size=max_records, replace=False)
        maps = maps.take(np.sort(drawn))
    return _all_skills(maps, min_gap)
