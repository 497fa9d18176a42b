"""What the eligible records of a class show, under any numbers of the rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.config.model import FlagsSection
from audit.geometry.masks import DISTANCE_SLACK
from audit.metrics.pointing_game import IN_PADDING
from audit.stages.ambiguity import left_out
from audit.stages.figures import Selection
from audit.stages.gather import Gathered
from audit.statistics import (
    ClassEvidence,
    ClassMaps,
    Laid,
    VerdictRule,
    lay,
    permutation_p,
    shuffled_rate,
    skill_matrix,
)


@dataclass(frozen=True)
class Eligible:
    """The n eligible records of one class, method and layer: all that the rule's numbers act on."""

    distance: np.ndarray
    """float64 (n,): pixels from the maximum to the nearest box; inf in padding."""
    skill: np.ndarray
    """float64 (n,)."""
    laid: Laid
    """Their maps, on each other's images."""
    permutation_p: float
    left_out: dict[str, int]

    def evidence(self, flags: FlagsSection) -> ClassEvidence:
        """What these records say of the class, by these numbers."""
        missed = self.distance > flags.tolerance + DISTANCE_SLACK
        focused = missed & (self.skill < flags.min_energy_skill)
        return ClassEvidence(
            n_eligible=len(focused),
            n_background_focused=int(focused.sum()),
            shuffled_rate=shuffled_rate(self.laid, flags.tolerance, flags.min_energy_skill),
            permutation_p=self.permutation_p,
            left_out=self.left_out,
        )


def verdict_rule(flags: FlagsSection) -> VerdictRule:
    """The class verdict's numbers from the config."""
    return VerdictRule(
        min_eligible=flags.min_eligible,
        max_rate=flags.max_rate,
        alpha=flags.alpha,
        correction=flags.correction,
        shuffled_share=flags.shuffled_share,
    )


def lay_class(
    gathered: Gathered, selection: Selection, seed: int
) -> tuple[np.ndarray, Laid, Eligible]:
    """A class's scored records (their rows), their maps laid on each other, and the eligible ones."""
    records = gathered.columns.take(selection.rows)
    scored = selection.rows[records.equals("status", "scored")]
    chosen = np.flatnonzero(gathered.columns.take(scored).equals("eligible", True))
    maps = class_maps(gathered, selection, scored)
    laid = lay(maps, seed=seed)
    among = laid.take(chosen) if laid.exact else lay(maps.take(chosen), seed=seed)
    matrix = among.skill if among.exact else skill_matrix(maps.take(chosen), seed=seed)
    eligible = gathered.columns.take(scored[chosen])
    padding = eligible.equals("pointing_note", IN_PADDING)
    return scored, laid, Eligible(
        distance=np.where(padding, np.inf, eligible.numbers("pointing_distance")),
        skill=eligible.numbers("energy_skill"),
        laid=among,
        permutation_p=permutation_p(matrix, seed=seed),
        left_out=left_out(records),
    )  # fmt: skip


def class_maps(gathered: Gathered, selection: Selection, rows: np.ndarray) -> ClassMaps:
    """The maps of scored records of one method and layer, decoded."""
    records, arrays = gathered.columns.take(rows), gathered.arrays
    views = arrays.views[rows]
    points = np.stack([records.numbers("point_x"), records.numbers("point_y")], axis=1)
    maps, places = arrays.maps[selection.method, selection.layer], arrays.places[rows]
    return ClassMaps(
        heatmaps=maps.judged(places),
        box_weights=maps.weights_inside[places],
        view_weights=maps.weights_view[places],
        ceilings=records.numbers("energy_ceiling"),
        area_fractions=records.numbers("area_fraction"),
        points=(points - views[:, :2]) / (views[:, 2:] - views[:, :2]),
        views=views,
        sizes=np.stack([records.numbers("width"), records.numbers("height")], axis=1),
        boxes=[arrays.boxes.of(i) for i in rows],
        clusters=records.clusters,
    )
