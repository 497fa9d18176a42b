"""Rows of per_class.csv as the gate reads them, made by hand."""

import pytest

from audit.config.gate import GateSection
from audit.gate import Report
from audit.gate.figures import REQUIRED

USUAL = {
    "method": "gradcam", "layer": "top", "n_images": 50, "n_scored": 48, "n_unscored": 2,
    "n_eligible": 40, "accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95,
    "pointing_accuracy": 0.8, "pointing_accuracy_low": 0.7, "pointing_accuracy_high": 0.9,
    "pointing_chance": 0.5, "pointing_skill": 0.6, "energy_skill": 0.4, "energy_skill_low": 0.3,
    "energy_skill_high": 0.5, "n_energy_skill": 45, "mean_iou": 0.3, "mean_iou_low": 0.25,
    "mean_iou_high": 0.35, "background_focused_rate": 0.1, "background_focused_rate_low": 0.05,
    "background_focused_rate_high": 0.2, "verdict": "pass", "confirmation": "not_run",
    "fitness": "fit",
}  # fmt: skip


@pytest.fixture
def row():
    """Builds a row: the usual one, and what is given instead; None is an empty cell."""

    def build(name="cat", **other):
        values = {**USUAL, **other, "class": name}
        assert set(REQUIRED) <= set(values)
        return {key: "" if value is None else str(value) for key, value in values.items()}

    return build


@pytest.fixture
def report(row):
    """Builds a report of some rows; the row over all classes has the usual figures."""

    def build(*rows, overall=None, images=(100, 5)):
        whole = overall or row("__all__", verdict=None, confirmation=None, fitness=None)
        return Report("gradcam", "top", whole, rows, *images)

    return build


@pytest.fixture
def policy():
    """Builds a policy from the values of a config."""
    return lambda **values: GateSection.model_validate(values)
