"""How probable a flag is, of a class with a given background-focused rate and number of images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from audit.statistics import VerdictRule, binomial_excess_p, clopper_pearson_interval


class Power(NamedTuple):
    """A probability with its 95 % interval, which is that of the rate it was reckoned from."""

    value: float
    low: float
    high: float


def fewest_flagged(n: int, rule: VerdictRule, classes: int) -> int | None:
    """The fewest background-focused records of ``n`` with which a class is flagged.

    Reckoned for one class that stands alone among ``classes``: the hardest case of the correction.
    None: not even all of them suffice.
    """
    share = classes if rule.correction == "bh" else classes * (1 / np.arange(1, classes + 1)).sum()
    counts = np.arange(n + 1)
    enough = counts[binomial_excess_p(counts, n, rule.max_rate) * share <= rule.alpha]
    return int(enough[0]) if n >= rule.min_eligible and len(enough) else None


def flag_probability(rate: float, n: int, rule: VerdictRule, classes: int) -> float:
    """Probability that ``n`` eligible records of a class with this rate lead to a flag."""
    fewest = fewest_flagged(n, rule, classes)
    inside = min(max(rate, 1e-12), 1 - 1e-12)
    return 0.0 if fewest is None else float(binomial_excess_p(fewest, n, inside))


def power(k: int, m: int, n: int, rule: VerdictRule, classes: int) -> Power:
    """Probability of a flag with ``n`` eligible records, from ``k`` background-focused of ``m``.

    It rises with the rate, so the Clopper-Pearson limits of the rate give its own.
    """
    low, high = (float(limit) for limit in clopper_pearson_interval(k, m))
    return Power(*(flag_probability(r, n, rule, classes) for r in (k / m, low, high)))
