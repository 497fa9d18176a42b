"""Localisation metrics: how well a heatmap's evidence lies on the annotated boxes, per record.

How to add a metric
-------------------
Write one file here, named for the metric: one function behind :func:`audit.metrics.metric`::

    @metric(
        "inside_outside_ratio",
        summary="Mean of the heatmap inside the boxes over its mean outside.",
        citation="Selvaraju et al. 2017, Grad-CAM, section on captioning",
        columns=(Column("inside_outside_ratio", "float64", "above 1: more inside"),),
        default=False,
    )
    def inside_outside_ratio(scene: Scene) -> dict[str, Any]:
        ...

Nothing else is edited: importing this package imports every file in it, and the contract tests
(``tests/metrics/test_contract.py``) run over the registry, so the new metric is covered when it
appears. What a metric must keep to:

- It reads a :class:`audit.metrics.scene.Scene`, which holds everything that metrics share (boxes in
  view, weights, the upsampled map) and works each of it out once, when first asked for. Work that a
  second metric could use belongs there.
- It is called for scored records alone: there is a box with pixels in V, V has pixels outside the
  boxes, and the map is finite, non-negative and not flat.
- It returns exactly its columns. What was not observed is None (NaN inside an array), never 0.
- It changes nothing that it is given, and calls no BLAS (``@``, ``np.dot``): sums are ``.sum()`` or
  ``np.einsum``, so that a result does not depend on the number of threads.

:func:`score_record` scores one record with all metrics of its settings.
"""

from audit.metrics.base import METRICS, Column, Metric, metric
from audit.metrics.scene import REASONS, Scene, SceneInputs

METRICS.load(__name__, list(__path__))

from audit.metrics.energy_in_box import energies, energy_skill  # noqa: E402
from audit.metrics.flags import background_focused, largest_box_cells  # noqa: E402
from audit.metrics.pointing_game import pointing_hits  # noqa: E402
from audit.metrics.pointing_game_torchray import torchray_hit  # noqa: E402
from audit.metrics.scoring import columns_of, keep_freed_memory, score_record  # noqa: E402
from audit.metrics.settings import DEFAULT_SWEEP, MetricSettings  # noqa: E402

__all__ = [
    "DEFAULT_SWEEP",
    "METRICS",
    "REASONS",
    "Column",
    "Metric",
    "MetricSettings",
    "Scene",
    "SceneInputs",
    "background_focused",
    "columns_of",
    "energies",
    "energy_skill",
    "keep_freed_memory",
    "largest_box_cells",
    "metric",
    "pointing_hits",
    "score_record",
    "torchray_hit",
]
