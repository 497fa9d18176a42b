"""The same-class shuffled baselines: other images' maps laid on this image's boxes.

A map that ignores its image and always lights the middle still finds centred objects. How much of a
class's score is of that kind is told by laying the maps of the class's *other* images on each
image's boxes (:func:`.laid.lay`). Every number here is over such pairs (map j, image i), j != i.

Images that are nearly the same, or of one video, would meet their own map: pairs of one cluster are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.geometry.masks import DISTANCE_SLACK

from .laid import Laid

MIN_ENERGY_SKILL = 0.1


@dataclass(frozen=True)
class ShuffledBaselines:
    """What the class's maps reach on images that are not their own; NaN where nothing was."""

    n_records: int
    n_partners: int
    """Other maps laid on an image, at most; n_records - 1 when exact and no two share a cluster."""
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
    laid: Laid, *, tolerance: float = 0.0, min_energy_skill: float = MIN_ENERGY_SKILL
) -> ShuffledBaselines:
    """The baselines of one class.

    Parameters
    ----------
    laid: its maps on its images.
    tolerance: pixels a point may lie off a box and still hit, inclusive.
    min_energy_skill: a pair is background-focused when it misses with a skill under this.

    Returns
    -------
    ``ShuffledBaselines``. With fewer than two records there is no other image: NaN throughout.

    Raises
    ------
    ValueError: a negative tolerance.
    """
    _check_tolerance(tolerance)
    others = laid.others
    hit = ~_missed(laid, tolerance) & others
    skill = np.where(others, laid.skill, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        pointing = hit.sum(axis=0) / others.sum(axis=0)
        by_record = np.nansum(skill, axis=0) / (~np.isnan(skill)).sum(axis=0)
    return ShuffledBaselines(
        n_records=len(laid),
        n_partners=laid.n_partners,
        exact=laid.exact,
        pointing=_mean_observed(pointing),
        energy_skill=_mean_observed(by_record),
        background_focused=shuffled_rate(laid, tolerance, min_energy_skill),
        pointing_by_record=pointing,
        energy_skill_by_record=by_record,
        skill_over_shuffled=laid.own - by_record,
    )


def shuffled_rate(laid: Laid, tolerance: float, min_energy_skill: float) -> float:
    """Share of pairs that miss with a skill under the limit, of pairs with a skill; NaN for none.

    Raises
    ------
    ValueError: a negative tolerance.
    """
    _check_tolerance(tolerance)
    known = laid.others & ~np.isnan(laid.skill)
    if not known.any():
        return float("nan")
    focused = _missed(laid, tolerance) & (laid.skill < min_energy_skill) & known
    return float(np.count_nonzero(focused) / np.count_nonzero(known))


def _missed(laid: Laid, tolerance: float) -> NDArray[np.bool_]:
    """(k, n): the maximum lies farther from every box; rounding at a box's edge does not decide."""
    return laid.off > (tolerance + DISTANCE_SLACK) ** 2


def _check_tolerance(tolerance: float) -> None:
    if not tolerance >= 0:
        raise ValueError(f"tolerance: expected at least 0, received {tolerance}")


def _mean_observed(values: NDArray) -> float:
    """Mean without NaN; NaN, and no warning, where nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
