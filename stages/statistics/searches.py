"""Many variants at once whose settings come from a few searches: dependent seeds, simultaneous intervals, ranks.

The settings of a variant are chosen by K independent searches, and each final seed takes those of one. Seeds of a
search share its luck, so that n of them tell less about a method than n independent ones: the variance of their mean is
larger by the design effect, 1 + (n/K - 1) rho with their intra-class correlation rho (Kish 1965, Survey Sampling).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import fdtri, stdtrit

from stages import rng
from stages.statistics.intervals import Interval

FLIPS = 10_000
"""Patterns of signs that are drawn where there are more of them."""


def mean_squares(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """One-way analysis of variance of values (..., n) in groups (n,): mean squares between and within, (...) each, and
    the size of a group as it enters the expectation of the first, that is within + size * between variance.

    NaN within where no group has two values.
    """
    counts = np.unique(groups, return_counts=True)[1]
    n, k = len(groups), len(counts)
    means = _group_means(values, groups)
    between = ((means - values.mean(-1, keepdims=True)) ** 2).sum(-1) / max(k - 1, 1)
    within = ((values - means) ** 2).sum(-1) / (n - k) if n > k else np.full(values.shape[:-1], np.nan)
    size = float(n - (counts**2).sum() / n) / max(k - 1, 1)
    return between, within, size


def _group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each value (..., n) replaced by the mean of its group."""
    means = np.empty_like(values, dtype=float)
    for group in np.unique(groups):
        means[..., groups == group] = values[..., groups == group].mean(-1, keepdims=True)
    return means


def search_correlation(differences: np.ndarray, searches: np.ndarray) -> float:
    """Intra-class correlation of differences (V, n) within searches (n,), one for all V variants.

    Four searches say next to nothing about the correlation of one variant, so it is estimated from the median over the
    variants of the ratio of mean squares between and within searches, against the median of the F distribution. With
    the mean squares summed instead, the few variants whose differences spread most would decide for all. Variants with
    a NaN or without spread within searches do not count. 0 where the estimate is negative or there is nothing to
    estimate it from.
    """
    complete = differences[np.isfinite(differences).all(-1)]
    groups, n = len(np.unique(searches)), len(searches)
    if not len(complete) or not 1 < groups < n:
        return 0.0
    between, within, size = mean_squares(complete, searches)
    varied = within > 1e-18 * np.square(complete).max(-1)
    if not varied.any():
        return 0.0
    excess = float(np.median(between[varied] / within[varied]) / fdtri(groups - 1, n - groups, 0.5)) - 1
    return max(0.0, excess / (excess + size))


def design_effect(searches: np.ndarray, correlation: float) -> float:
    """How many times larger the variance of a mean over seeds is that share the searches (n,), 1 for independent ones.

    1 + (n/K - 1) rho for K searches of equally many seeds, else Kish's form for clusters of different sizes.
    """
    counts = np.unique(searches, return_counts=True)[1]
    return float(1 + ((counts**2).sum() / max(len(searches), 1) - 1) * correlation)


def as_independent(differences: np.ndarray, searches: np.ndarray, correlation: float) -> np.ndarray:
    """Differences (..., n) of the same mean, with the deviations within a search stretched by sqrt(deff / (1 - rho)).

    If seeds of a search (n,) correlate by rho, the results behave as n independent differences of which each has the
    design effect deff in its variance. So what holds for independent ones holds for them: their t interval with n - 1
    degrees of freedom is exact for a given rho, whereas a plain interval times sqrt(deff) covers too rarely, since its
    standard deviation has too few degrees of freedom (92 % instead of 95 % at n = 20, K = 4, rho = 0.5).
    """
    means = _group_means(differences, searches)
    apart = max(1 - correlation, 0.01)  # where all seeds of every search are equal, there is nothing to stretch
    return means + (differences - means) * np.sqrt(design_effect(searches, correlation) / apart)


def simultaneous_intervals(differences: np.ndarray, confidence: float) -> list[Interval]:
    """Intervals of the means of V rows of independent differences (V, n) that cover all V means at once.

    Single-step max-|t|: the signs of the rows' deviations are flipped by seed, alike in all rows, and the quantile of
    the largest |t| takes the place of Student's (Westfall and Young 1993, Resampling-Based Multiple Testing). All
    patterns of signs, or 10,000 random ones. It is never below Student's for one row, nor above Bonferroni's for V;
    with fewer than six seeds there are too few patterns for 95 %, and it is Bonferroni's. Rows whose differences are
    all the same are left out and get an interval of no width, rows with a NaN one of NaN.
    """
    n = differences.shape[1]
    means = differences.mean(1)
    deviations = differences - means[:, None]
    norms = np.sqrt((deviations**2).sum(1))
    varied = norms > 1e-9 * np.abs(differences).max(1, initial=0)  # False for NaN
    halves = np.where(np.isfinite(means), 0.0, np.nan)
    if varied.any() and n > 1:
        quantile = _largest_t(deviations[varied] / norms[varied, None], confidence)
        halves[varied] = quantile * norms[varied] / np.sqrt((n - 1) * n)
    return [Interval(float(m), float(m - h), float(m + h), n) for m, h in zip(means, halves, strict=True)]


def _largest_t(units: np.ndarray, confidence: float) -> float:
    """Quantile of the largest |t| over rows (V, n) of squared sum 1 and sum 0 whose signs are flipped."""
    rows, n = units.shape
    signs = _signs(n)
    # Flips leave the sum of squares as it is, so |t| grows with the |sum|. Its last bits are the processor's, and must
    # not choose the quantile.
    chunks = np.array_split(signs, max(1, len(signs) * rows // 2**21))
    sums = np.concatenate([np.abs(chunk @ units.T).max(1) for chunk in chunks]).round(6)
    rank = int(np.ceil(confidence * (len(sums) + 1)))  # the differences as they are count as a pattern
    single = float(stdtrit(n - 1, (1 + confidence) / 2))
    bonferroni = float(stdtrit(n - 1, 1 - (1 - confidence) / 2 / rows))
    largest = np.sort(sums)[rank - 1] if rank <= len(sums) else np.inf
    t = largest * np.sqrt((n - 1) / (n - largest**2)) if largest**2 < n else np.inf
    return float(np.clip(t, single, bonferroni))


@cache
def _signs(n: int) -> np.ndarray:
    """Patterns of n signs (F, n): all but mirror images, or random ones that are the same for every call."""
    if 2 ** (n - 1) <= FLIPS:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
        return 1.0 - 2 * bits
    return 1.0 - 2 * rng.generator(0, "sign flips").integers(0, 2, (FLIPS, n))


def ranks(values: np.ndarray, searches: np.ndarray, confidence: float) -> np.ndarray:
    """Rank of each of V variants by its mean over seeds, with an interval: (V, 3) of rank, lowest and highest.

    From values (V, n), of which larger are better, of final seeds with settings from the searches (n,). Rank 1 is best;
    equal means share the better rank. All differences between two variants get simultaneous intervals. A variant's best
    rank is 1 + the number of those that are certainly better, its worst V - the number of those that are certainly
    worse, so that all V intervals hold at once (Klein, Wright and Wieczorek 2020, A joint confidence region for an
    overall ranking of populations, JRSS C 69). NaN for variants with a NaN, which take no part.
    """
    found = np.full((len(values), 3), np.nan)
    complete = np.flatnonzero(np.isfinite(values).all(1))
    first, second = np.triu_indices(len(complete), 1)
    better = np.zeros((len(complete), len(complete)), dtype=bool)
    if len(first):
        differences = values[complete[first]] - values[complete[second]]
        spread = as_independent(differences, searches, search_correlation(differences, searches))
        for a, b, interval in zip(first, second, simultaneous_intervals(spread, confidence), strict=True):
            better[a, b] = interval.above_zero
            better[b, a] = interval.below_zero
    means = values[complete].mean(1)
    found[complete, 0] = 1 + (means[None] > means[:, None]).sum(1)
    found[complete, 1] = 1 + better.sum(0)
    found[complete, 2] = len(complete) - better.sum(1)
    return found
