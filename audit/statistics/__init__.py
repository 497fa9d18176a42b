"""Intervals, tests, shuffled baselines and the class verdict: functions of arrays, without I/O.

- :mod:`.intervals`: what stands beside a rate or a mean.
- :mod:`.significance`: p-values, and their correction over classes.
- :mod:`.shuffled`: other images' maps of the class as the baseline.
- :mod:`.verdict`: pass, flagged, insufficient or inconclusive, with the sentence that says why.
"""

from .intervals import (
    Estimate,
    Interval,
    clopper_pearson_interval,
    clopper_pearson_upper,
    clustered_mean,
    clustered_rate,
    wilson_interval,
)
from .shuffled import ClassMaps, ShuffledBaselines, energy_skill, shuffled_baselines, skill_matrix
from .significance import binomial_excess_p, false_discovery_q, permutation_p
from .verdict import (
    ClassEvidence,
    ClassVerdict,
    Verdict,
    VerdictRule,
    class_p_values,
    class_q_values,
    class_verdict,
    class_verdicts,
)

__all__ = [
    "ClassEvidence",
    "ClassMaps",
    "ClassVerdict",
    "Estimate",
    "Interval",
    "ShuffledBaselines",
    "Verdict",
    "VerdictRule",
    "binomial_excess_p",
    "class_p_values",
    "class_q_values",
    "class_verdict",
    "class_verdicts",
    "clopper_pearson_interval",
    "clopper_pearson_upper",
    "clustered_mean",
    "clustered_rate",
    "energy_skill",
    "false_discovery_q",
    "permutation_p",
    "shuffled_baselines",
    "skill_matrix",
    "wilson_interval",
]
