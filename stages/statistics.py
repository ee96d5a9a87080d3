"""Intervals, verdicts and calibration: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to import

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


UNDEFINED = Interval(np.nan, np.nan, np.nan, 0)
"""The interval of no values."""


def mean_interval(values: np.ndarray, confidence: float) -> Interval:
    """Student-t interval of the mean of values (n,).

    With the few seeds of a benchmark a bootstrap interval is too narrow: a percentile bootstrap of 95 % covers the
    mean in some 90 % of cases at n = 10, and in 83 % at n = 5.
    """
    values = np.asarray(values, dtype=float)
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


def still_falling(epochs: np.ndarray, losses: np.ndarray, percent: float) -> bool:
    """Whether a loss (n,), measured after so many epochs (n,) in their order, is still falling.

    It has not if its mean over the last tenth of the epochs is lower than that over the tenth before by more than
    ``percent`` of the latter.
    """
    every = np.interp(np.arange(epochs[-1] + 1), epochs, losses)  # otherwise it would matter which epochs were measured
    tenth = max(1, int(epochs[-1]) // 10)
    before, after = np.mean(every[-2 * tenth : -tenth]), np.mean(every[-tenth:])
    return bool(before - after > percent / 100 * before)


def still_learning(epochs: np.ndarray, losses: np.ndarray, accuracy: float, planned: int, percent: float) -> bool:
    """Whether a training was still making progress when its planned epochs were used up, with labels left to fit.

    From its training losses (n,) after so many epochs (n,), and its training accuracy at the end. False for one that
    stopped earlier by itself.
    """
    return bool(epochs[-1] == planned and accuracy < 1 and still_falling(epochs, losses, percent))


def negative_log_likelihood(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images, in nats, from log-probabilities (N, K) and class indices (N,)."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many images of each true class (rows) were predicted as each class (columns), from class indices (N,)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def macro_f1(confusion: np.ndarray) -> float:
    """Mean over classes of the harmonic mean of precision and recall, from a confusion matrix (K, K).

    A class that neither occurs nor is predicted counts as 0, as with scikit-learn's ``zero_division=0``.
    """
    hits, counts = np.diag(confusion), confusion.sum(0) + confusion.sum(1)
    return float(np.mean(2 * hits / np.maximum(counts, 1)))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by the images in each.

    Takes class probabilities (N, K) and class indices (N,). Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    # Bins are open below and closed above, as in the paper: (0, 1/bins], ...
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
