"""Intervals, tests, shuffled baselines and the class verdict: functions of arrays, without I/O.

- :mod:`.intervals`: what stands beside a rate or a mean.
- :mod:`.significance`: p-values, and their correction over classes.
- :mod:`.laid`: the maps of a class laid on each other's images.
- :mod:`.paired`, :mod:`.paired_words`: two runs on the same records, and what is said of them.
- :mod:`.shuffled`: other images' maps of the class as the baseline.
- :mod:`.verdict`: pass, flagged, insufficient or inconclusive, with the sentence that says why.
"""

from .confirmation import (
    MAX_CONTROL_AREA,
    ConfirmationRule,
    FillEvidence,
    class_state,
    fill_evidence,
    fill_is_valid,
    fill_state,
    kept_share,
)
from .intervals import (
    Estimate,
    Interval,
    clopper_pearson_interval,
    clopper_pearson_upper,
    clustered_mean,
    clustered_rate,
    wilson_interval,
)
from .laid import ClassMaps, Laid, energy_skill, lay, skill_matrix
from .paired import ChangeRule, Pairs, State, mcnemar_p, mean_change, pair_outcomes
from .paired_words import answers_sentence, change_sentence, rule_sentence
from .shuffled import ShuffledBaselines, shuffled_baselines, shuffled_rate
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
    "MAX_CONTROL_AREA",
    "ChangeRule",
    "ClassEvidence",
    "ClassMaps",
    "ClassVerdict",
    "ConfirmationRule",
    "Estimate",
    "FillEvidence",
    "Interval",
    "Laid",
    "Pairs",
    "ShuffledBaselines",
    "State",
    "Verdict",
    "VerdictRule",
    "answers_sentence",
    "binomial_excess_p",
    "change_sentence",
    "class_p_values",
    "class_q_values",
    "class_state",
    "class_verdict",
    "class_verdicts",
    "clopper_pearson_interval",
    "clopper_pearson_upper",
    "clustered_mean",
    "clustered_rate",
    "energy_skill",
    "false_discovery_q",
    "fill_evidence",
    "fill_is_valid",
    "fill_state",
    "kept_share",
    "lay",
    "mcnemar_p",
    "mean_change",
    "pair_outcomes",
    "permutation_p",
    "rule_sentence",
    "shuffled_baselines",
    "shuffled_rate",
    "skill_matrix",
    "wilson_interval",
]
