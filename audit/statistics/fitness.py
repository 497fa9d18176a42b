"""Whether an explanation is fit to judge a model by: does it change when the weights do?

Cascading parameter randomisation (Adebayo et al. 2018, Sanity Checks for Saliency Maps, NeurIPS)
gives the rank correlation of each record's map with that of the redrawn model, at each step of the
cascade. Two maps of one method correlate anyway, since objects are centred, edges are where they are
and ReLU leaves the same corners empty; so what counts is what lies beyond the correlation with the
redrawn model's maps of *other* images.

The rule was chosen on MobileNetV2 with trained weights (32 photographs, 9 steps): what is kept on
average over the cascade is .0 of Grad-CAM, HiResCAM and CAM, .2 of guided Grad-CAM, .3 of Grad-CAM++,
LayerCAM and the bare activation, .4 of saliency and .7 of guided backpropagation. At the last step
alone they do not differ: every method's map is then as far from the first as another image's is, and
guided backpropagation, which keeps 9 tenths of its map while nine tenths of the weights are redrawn,
would pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.intervals import Estimate, clustered_mean

# Maps of different images correlate so much that no map can be told from another one.
ALIKE = 0.95


@dataclass(frozen=True)
class FitnessRule:
    """The numbers of the rule; the config's are described in its section."""

    max_kept: float = 0.5
    min_records: int = 8


@dataclass(frozen=True)
class Fitness:
    """What was found of one method at one layer."""

    fit: bool | None
    """None: not known."""
    reason: str
    kept: Estimate
    between_images: float
    """Mean rank correlation of the maps of different images, as they are."""


def kept_by_record(rho: ArrayLike, chance: ArrayLike, flat: ArrayLike) -> NDArray[np.float64]:
    """What each record's map keeps on average over the cascade, float64 (n,).

    At a step it is (rho - chance) / (1 - chance): 0 where the redrawn model's map is as far from the
    record's own as that of another image is, 1 where it is the same map. A redrawn map that is flat
    keeps nothing: 0. One that is not finite tells nothing, and the step is left out.

    Parameters
    ----------
    rho: (steps, n) rank correlations, NaN where there is none.
    chance: (steps,) mean correlation with the redrawn maps of other images; NaN is read as 0.
    flat: bool (steps, n), the redrawn map is flat.

    Returns
    -------
    NaN for a record of which no step is known.
    """
    rho, flat = np.asarray(rho, np.float64), np.asarray(flat, bool)
    chance = np.nan_to_num(np.asarray(chance, np.float64), nan=0.0)[:, None]
    # Where maps are alike whatever the image, what lies beyond that is rounding.
    kept = np.where(chance > ALIKE, rho, (rho - chance) / np.maximum(1 - chance, 1 - ALIKE))
    kept = np.where(flat, 0.0, kept)
    known = ~np.isnan(kept)
    counts = known.sum(axis=0)
    sums = np.where(known, kept, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(kept.shape[1], np.nan), where=counts > 0)


def judge_fitness(
    rho: ArrayLike,
    chance: ArrayLike,
    flat: ArrayLike,
    between_images: float,
    clusters: ArrayLike | None = None,
    *,
    rule: FitnessRule = FitnessRule(),
    seed: int = 0,
) -> Fitness:
    """The verdict on a method, from the cascade on a sample of records.

    Parameters
    ----------
    rho, chance, flat: as of :func:`kept_by_record`.
    between_images: mean rank correlation between the maps of different images, weights as they are.
    clusters: (n,) image of each record.
    """
    kept = clustered_mean(kept_by_record(rho, chance, flat), clusters, seed=seed)
    fit, reason = _verdict(kept, between_images, rule)
    return Fitness(fit, reason, kept, between_images)


def _verdict(kept: Estimate, between: float, rule: FitnessRule) -> tuple[bool | None, str]:
    if kept.n < rule.min_records:
        return None, (
            f"only {kept.n} records to compare maps on, where {rule.min_records} are wanted."
        )
    if between > ALIKE:
        return False, (
            f"its maps of different images are alike (rank correlation {between:.2f}), so they do "
            "not tell what the model sees in this one."
        )
    told = "{:.2f} ({:.2f} to {:.2f})".format(*(round(v, 2) + 0.0 for v in kept[:3]))
    if kept.low > rule.max_kept:
        return False, (
            f"it keeps {told} of its map while the model's weights are redrawn, more than "
            f"{rule.max_kept:g}: it shows the image rather than what the model has learned."
        )
    if kept.high <= rule.max_kept:
        return True, (
            f"it keeps {told} of its map while the model's weights are redrawn, at most "
            f"{rule.max_kept:g}: it shows what the model has learned."
        )
    return None, (
        f"it keeps {told} of its map while the model's weights are redrawn, and {kept.n} records "
        f"cannot tell whether that is more than {rule.max_kept:g}."
    )
