"""Tests of a hypothesis, and what many of them at once do to their p-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

# With the identity counted, p moves in steps of 1/2000, and a p of .05 is known within .005.
N_PERMUTATIONS = 1999

# Skills lie within about [-5, 1]; sums of the same numbers in another order differ by far less.
TIE_TOLERANCE = 1e-9

CORRECTIONS = ("bh", "by")

# Gathered skills held at once, 16 MB of float64.
_CHUNK = 1 << 21


def binomial_excess_p(k: ArrayLike, n: ArrayLike, max_rate: float) -> NDArray[np.float64]:
    """Exact one-sided binomial p of H0 "the rate is at most ``max_rate``".

    The probability of k or more of n at the margin, where it is largest under H0. The same number
    as ``scipy.stats.binomtest(k, n, max_rate, alternative="greater").pvalue``, over arrays.

    Parameters
    ----------
    k, n: integer counts with 0 <= k <= n, broadcast against each other.
    max_rate: the margin, in (0, 1).

    Returns
    -------
    float64 in their shape; NaN where n = 0: nothing was tested.

    Raises
    ------
    ValueError: counts out of order, or a margin outside (0, 1).
    """
    k, n = np.broadcast_arrays(np.asarray(k), np.asarray(n))
    if not np.all((k >= 0) & (k <= n)):
        raise ValueError("k, n: expected 0 <= k <= n")
    if not 0 < max_rate < 1:
        raise ValueError(f"max_rate: expected between 0 and 1, received {max_rate}")
    return np.where(n == 0, np.nan, binomial_at_least(k, n, max_rate))[()]


def false_discovery_q(p: ArrayLike, correction: str = "bh") -> NDArray[np.float64]:
    """Adjusted p-values (q-values) over a family of tests.

    ``bh`` is Benjamini & Hochberg 1995, valid for independent or positively dependent tests; ``by``
    is Benjamini & Yekutieli 2001, valid under any dependence and less powerful by a factor of
    1 + 1/2 + ... + 1/m. A NaN is a class without a test: it stays NaN and does not count in m.

    Parameters
    ----------
    p: (m,) float in [0, 1] or NaN.
    correction: ``bh`` or ``by``.

    Returns
    -------
    (m,) float64.

    Raises
    ------
    ValueError: another correction, more than one dimension, a p outside [0, 1].
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"correction: expected one of {CORRECTIONS}, received {correction!r}")
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p: expected one dimension, received shape {p.shape}")
    if np.any((p < 0) | (p > 1)):
        raise ValueError("p: expected probabilities, 0 to 1")
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = _adjusted(p[tested], correction)
    return q


def binomial_at_least(k: NDArray, n: NDArray, rate: float) -> NDArray[np.float64]:
    """P(X >= k) of a binomial count: the regularised incomplete beta function; 1 for k = 0."""
    return np.where(k == 0, 1.0, special.betainc(np.maximum(k, 1), n - k + 1, rate))


def _adjusted(p: NDArray, correction: str) -> NDArray[np.float64]:
    """Step-up q-values of (m,) p without NaN, as ``scipy.stats.false_discovery_control``.

    ``scipy.stats`` itself takes longer to import than a whole audit's statistics take.
    """
    m = len(p)
    factor = m * np.sum(1 / np.arange(1, m + 1)) if correction == "by" else m
    order = np.argsort(-p, kind="stable")
    scaled = p[order] * factor / np.arange(m, 0, -1)
    q = np.empty(m)
    q[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return q


def permutation_p(
    skill: ArrayLike,
    *,
    n_permutations: int = N_PERMUTATIONS,
    seed: int | np.random.Generator = 0,
) -> float:
    """One-sided p of H0 "a map does no better on its own image than on another of the class".

    Under H0 every assignment of the maps to the images is as likely as the true one. The statistic
    is the mean skill of an assignment, and p = (1 + #{as good or better}) / (1 + N), which is never
    0 (Phipson & Smyth 2010). "As good" allows :data:`TIE_TOLERANCE`, so that maps that are all
    alike give exactly 1 and not the toss of a rounding error.

    Parameters
    ----------
    skill: (n, n) float, ``skill[j, i]`` the energy skill of map j laid on image i's boxes. A record
        whose own skill is NaN leaves with its row and column; another NaN is left out of the mean
        of the assignments that meet it, and one that meets nothing else counts as good.
    n_permutations: N, at least 1.
    seed: seed or generator.

    Returns
    -------
    p in (0, 1]; NaN with fewer than two records.

    Raises
    ------
    ValueError: ``skill`` is not square or N < 1.
    """
    skill = np.asarray(skill, dtype=np.float64)
    if skill.ndim != 2 or skill.shape[0] != skill.shape[1]:
        raise ValueError(f"skill: expected a square matrix, received shape {skill.shape}")
    if n_permutations < 1:
        raise ValueError(f"n_permutations: expected at least 1, received {n_permutations}")
    known = np.flatnonzero(~np.isnan(np.diagonal(skill)))
    if len(known) < 2:
        return float("nan")
    skill = skill[np.ix_(known, known)]
    permuted = _permuted_means(skill, n_permutations, np.random.default_rng(seed))
    worse = permuted < np.diagonal(skill).mean() - TIE_TOLERANCE
    return float((1 + np.count_nonzero(~worse)) / (1 + n_permutations))


def _permuted_means(skill: NDArray, n_permutations: int, rng: np.random.Generator) -> NDArray:
    """(n_permutations,) mean skill of maps dealt to images at random; NaN where none is known."""
    n = len(skill)
    known, filled = ~np.isnan(skill), np.nan_to_num(skill)
    means = np.empty(n_permutations)
    rows = max(1, _CHUNK // n)
    images = np.arange(n)
    for start in range(0, n_permutations, rows):
        size = min(rows, n_permutations - start)
        maps = rng.permuted(np.broadcast_to(images, (size, n)), axis=1)
        counts = known[maps, images].sum(axis=1)
        with np.errstate(invalid="ignore"):
            means[start : start + size] = filled[maps, images].sum(axis=1) / counts
    return means
