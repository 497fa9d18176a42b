"""What a record is scored against, and constants that two rooms share."""

import numpy as np
import pytest

import audit.metrics
import audit.statistics
from audit.config.model import Config, FlagsSection
from audit.metrics import METRICS, MetricSettings
from audit.stages.score import REQUIRED_METRICS, metric_settings, reference_boxes, threshold_of
from audit.statistics import laid, shuffled


def thing(name, x, ignored=False):
    return {"class_name": name, "x0": x, "y0": 0, "x1": x + 1, "y1": 1, "ignored": ignored}


OBJECTS = [thing("cat", 0), thing("cat", 1, ignored=True), thing("dog", 2), thing("dog", 3, True)]


def starts(record):
    boxes, ignored = reference_boxes(record, OBJECTS)
    assert boxes.dtype == ignored.dtype == np.float64
    return [b[0] for b in boxes], [b[0] for b in ignored]


def test_a_class_is_scored_against_its_own_boxes():
    assert starts({"reference": "class", "target_class": "cat"}) == ([0], [1])


def test_a_prediction_that_is_not_annotated_is_scored_against_all():
    assert starts({"reference": "any_object", "target_class": "owl"}) == ([0, 2], [1, 3])


def test_no_objects():
    boxes, ignored = reference_boxes({"reference": "any_object", "target_class": "owl"}, [])
    assert boxes.shape == ignored.shape == (0, 4)


def config(**sections):
    values = {
        "audit": {"name": "t"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a", "images": "i"},
    }
    return Config.model_validate(values | sections)


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [(0.2, "fraction", 0.2), ("otsu", "otsu", 0), ({"percentile": 90}, "percentile", 90)],
)
def test_thresholds(given, kind, value):
    found = threshold_of(config(heatmap={"threshold": given}).heatmap)
    assert (found.kind, found.value) == (kind, value)


def test_what_verdicts_need_is_always_taken():
    assert set(REQUIRED_METRICS) < set(metric_settings(config(metrics=["mask_iou"])).metrics)
    assert metric_settings(config()).metrics is None  # all defaults
    assert set(metric_settings(config(metrics="all")).metrics) == set(METRICS.names())


def test_metrics_and_statistics_hold_the_same_numbers():
    """The rooms may not import each other; a record's rule and its shuffled baseline must agree."""
    assert MetricSettings().min_headroom == laid.MIN_CEILING_GAP == 0.2
    rule = audit.metrics.background_focused.__defaults__[-1]
    assert rule == shuffled.MIN_ENERGY_SKILL == FlagsSection().min_energy_skill == 0.1
    assert MetricSettings().tolerance == FlagsSection().tolerance == 0


@pytest.mark.parametrize("ceiling", [0.45, 0.5 - 1e-9, 0.5, 0.9])
def test_metrics_and_statistics_take_the_same_energy_skill(ceiling):
    own = audit.metrics.energy_skill(0.4, 0.3, ceiling, MetricSettings().min_headroom)
    other = float(audit.statistics.energy_skill(0.4, 0.3, ceiling))
    assert other == pytest.approx(np.nan if own is None else own, nan_ok=True)
