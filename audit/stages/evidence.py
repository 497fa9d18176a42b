"""What the eligible records of a class show, under any numbers of the rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.config.model import FlagsSection
from audit.geometry.masks import DISTANCE_SLACK
from audit.metrics.pointing_game import IN_PADDING
from audit.stages.ambiguity import left_out
from audit.stages.figures import Selection, cluster_of, numbers
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
    records = gathered.records.iloc[selection.rows]
    scored = selection.rows[(records["status"] == "scored").to_numpy()]
    chosen = np.flatnonzero(gathered.records["eligible"].to_numpy(bool)[scored])
    maps = class_maps(gathered, selection, scored)
    laid = lay(maps, seed=seed)
    among = laid.take(chosen) if laid.exact else lay(maps.take(chosen), seed=seed)
    matrix = among.skill if among.exact else skill_matrix(maps.take(chosen), seed=seed)
    eligible = gathered.records.iloc[scored[chosen]]
    padding = (eligible["pointing_note"] == IN_PADDING).to_numpy(bool)
    return scored, laid, Eligible(
        distance=np.where(padding, np.inf, numbers(eligible, "pointing_distance")),
        skill=numbers(eligible, "energy_skill"),
        laid=among,
        permutation_p=permutation_p(matrix, seed=seed),
        left_out=left_out(records),
    )  # fmt: skip


def class_maps(gathered: Gathered, selection: Selection, rows: np.ndarray) -> ClassMaps:
    """The maps of scored records of one method and layer, decoded."""
    records, arrays = gathered.records.iloc[rows], gathered.arrays
    views = arrays.views[rows]
    points = records[["point_x", "point_y"]].to_numpy(np.float64)
    maps, places = arrays.maps[selection.method, selection.layer], arrays.places[rows]
    return ClassMaps(
        heatmaps=maps.judged(places),
        box_weights=maps.weights_inside[places],
        view_weights=maps.weights_view[places],
        ceilings=numbers(records, "energy_ceiling"),
        area_fractions=numbers(records, "area_fraction"),
        points=(points - views[:, :2]) / (views[:, 2:] - views[:, :2]),
        views=views,
        sizes=records[["width", "height"]].to_numpy(np.float64),
        boxes=[arrays.boxes.of(i) for i in rows],
        clusters=cluster_of(records),
    )
