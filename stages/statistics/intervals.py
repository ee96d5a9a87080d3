"""Intervals of a mean, of a share and of a probability, and the verdicts that they allow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit  # scipy.stats takes a second to import

Side = Literal["greater", "less", "negligible", "not less"]
"""What a claim says about an effect. Effects smaller in magnitude than the smallest one that matters are negligible."""
Verdict = Literal["holds", "fails", "undecided"]
Direction = Literal["higher", "lower", "negligible", "undecided"]


@dataclass(frozen=True)
class Interval:
    """A mean over n values with its two-sided confidence interval; low and high are NaN for fewer than two values."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def has_width(self) -> bool:
        """False where all values are the same up to rounding, or fewer than two: their spread is not known then."""
        return self.high - self.low > 1e-9 * max(abs(self.low), abs(self.high))

    @property
    def above_zero(self) -> bool:
        return self.has_width and self.low > 0

    @property
    def below_zero(self) -> bool:
        return self.has_width and self.high < 0


UNDEFINED = Interval(np.nan, np.nan, np.nan, 0)
"""The interval of no values."""


def mean_interval(values: np.ndarray, confidence: float) -> Interval:
    """Student-t interval of the mean of values (n,).

    With the few seeds of a benchmark a bootstrap interval is too narrow: a percentile bootstrap of 95 % covers the
    mean in some 90 % of cases at n = 10, and in 83 % at n = 5.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return UNDEFINED
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Interval(mean, np.nan, np.nan, n)
    with np.errstate(invalid="ignore"):  # an infinite value has no spread, and the interval is NaN
        half = float(stdtrit(n - 1, (1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(values: np.ndarray, reference: np.ndarray, confidence: float) -> Interval:
    """Student-t interval of the mean difference of two arrays (n,) that are paired by position, that is by seed."""
    values, reference = np.asarray(values, dtype=float), np.asarray(reference, dtype=float)
    if values.shape != reference.shape:
        raise ValueError(f"paired values must be equally many, found {len(values)} and {len(reference)}")
    return mean_interval(values - reference, confidence)


def ratio_interval(values: np.ndarray, reference: np.ndarray, confidence: float) -> Interval:
    """Interval of the relative difference of two positive arrays (n,) that are paired by position.

    It is that of the mean difference of their logarithms, transformed back: the mean is the geometric mean of the
    ratios, minus one. So halving and doubling weigh the same, and no single large value decides. NaN where a value is
    not positive.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = paired_interval(np.log(values), np.log(reference), confidence)
    mean, low, high = np.expm1([logs.mean, logs.low, logs.high]).tolist()
    return Interval(mean, low, high, logs.n)


def share_interval(hits: int, n: int, confidence: float) -> Interval:
    """Interval of the probability of an event that came about in ``hits`` of n independent runs.

    It covers at least as often as it says, for any n; of none or all of the runs it says something, too. Clopper and
    Pearson 1934, https://doi.org/10.1093/biomet/26.4.404.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return Interval(hits / n, low, high, n)


def all_or_nothing(values: np.ndarray) -> tuple[int, int] | None:
    """(k, n) where k of the n shares are 1 and the others 0; None where one lies between, or there are none.

    Pages say "k of n" then: the shares' spread is not that of a bell curve, and if all are the same they have none.
    """
    values = np.asarray(values, dtype=float)
    if len(values) and np.isin(values, (0.0, 1.0)).all():
        return int(values.sum()), len(values)
    return None


def shares_interval(shares: np.ndarray, confidence: float) -> Interval:
    """Interval of the mean of shares (n,), one of each run: Student's t, but that of k of n where all are 0 or 1."""
    counted = all_or_nothing(shares)
    return share_interval(*counted, confidence) if counted else mean_interval(shares, confidence)


MEANINGFUL = 0.75
"""A probability of improvement that is worth a name, after Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098."""


def improvement_interval(differences: np.ndarray, confidence: float, design_effect: float = 1) -> Interval:
    """Probability that a method beats its reference on a seed, from paired differences (n,) of which larger is better.

    A tie counts half. The interval is Wilson's (1927, https://doi.org/10.2307/2276774) for n / ``design_effect`` seeds:
    signs are less alike within a search than the differences themselves, so that this is rather too wide.
    """
    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if not n:
        return UNDEFINED
    share = float(np.mean((differences > 0) + (differences == 0) / 2))
    z2 = float(ndtri((1 + confidence) / 2)) ** 2 / n * design_effect
    middle, half = share + z2 / 2, np.sqrt(z2 * (share * (1 - share) + z2 / 4))
    return Interval(share, float((middle - half) / (1 + z2)), float((middle + half) / (1 + z2)), n)


TOO_SKEWED = 0.015
"""How much less often than it says an interval may cover before pages warn of it."""


def coverage_lost(skewness: float, n: int, confidence: float) -> float:
    """By how much the coverage of the t interval of n values falls short of ``confidence`` where they are skewed.

    The second term of Edgeworth's expansion (Hall 1992, The Bootstrap and Edgeworth Expansion) for a gamma
    distribution, whose excess kurtosis is 3/2 of its squared skewness, with n + 6 in place of n: simulations from n = 5
    to 50 agree to half a point where less than 3 points are lost.
    """
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    density = np.exp(-z2 / 2) / np.sqrt(2 * np.pi)
    term = (z2**2 + 2 * z2 - 3) / 18 - 3 / 2 * (z2 - 3) / 12
    return float(2 * np.sqrt(z2) * density * term * skewness**2 / (n + 6))


def skewness(values: np.ndarray) -> float:
    """Adjusted Fisher-Pearson coefficient G1 of values (n,); 0 where all are the same or there are fewer than three."""
    values = np.asarray(values, dtype=float)
    n, deviations = len(values), values - values.mean()
    spread = np.sqrt(np.mean(deviations**2))
    if n < 3 or spread <= 1e-9 * np.abs(values).max():
        return 0.0
    return float(np.mean((deviations / spread) ** 3) * np.sqrt(n * (n - 1)) / (n - 2))


def too_skewed(values: np.ndarray, confidence: float) -> bool:
    """Whether values (n,) are so skewed that their t interval covers the mean less often than it says, by more than
    1.5 points."""
    return coverage_lost(skewness(values), len(values), confidence) > TOO_SKEWED


def verdict(interval: Interval, side: Side, smallest: float) -> Verdict:
    """What the interval of an effect says about a claim, given the smallest effect that matters (positive).

    A claim of an effect holds where the interval lies wholly on the claim's side of the smallest effect, and fails
    where it lies wholly on the other side of zero or among the negligible effects. A claim that an effect is
    negligible, or not less, holds where the whole interval is so and fails where none of it is. All else, an
    interval of NaN or of no width included, is undecided.
    """
    if not interval.has_width:
        return "undecided"
    low, high = (-interval.high, -interval.low) if side == "less" else (interval.low, interval.high)
    negligible = low > -smallest and high < smallest
    if side in ("greater", "less"):
        holds, fails = low >= smallest, high < 0 or negligible
    elif side == "negligible":
        holds, fails = negligible, low >= smallest or high <= -smallest
    else:
        holds, fails = low > -smallest, high <= -smallest
    return "holds" if holds else "fails" if fails else "undecided"


def direction(interval: Interval, smallest: float) -> Direction:
    """Where a difference lies, by the same rule: beyond the smallest effect that matters, or short of it."""
    sides: tuple[tuple[Side, Direction], ...] = (("greater", "higher"), ("less", "lower"), ("negligible", "negligible"))
    return next((name for side, name in sides if verdict(interval, side, smallest) == "holds"), "undecided")


def verdict_of(verdicts: Collection[Verdict], rule: Literal["all", "any"]) -> Verdict:
    """The verdict on a claim that holds if all of its parts hold, or if any does.

    It fails if that can no longer come about: with `all` if a part fails, with `any` if all do.
    """
    least, most = (all, any) if rule == "all" else (any, all)
    if least(each == "holds" for each in verdicts):
        return "holds"
    return "fails" if most(each == "fails" for each in verdicts) else "undecided"
