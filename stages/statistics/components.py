"""Where the variance between trainings comes from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np

from stages.statistics.searches import mean_squares


@dataclass(frozen=True)
class Components:
    """Variances in the squared unit of the values; NaN where the design cannot tell."""

    search: float
    """Between the settings that different searches chose."""
    split: float
    """Between seeds of one search: images drawn, and the first of their initial weights."""
    weights: float
    """Between repeats of a seed: initial weights and everything else drawn while training."""


def variance_components(values: np.ndarray, searches: np.ndarray) -> Components:
    """Components of values (n, R) of n seeds with R repeats each, by the searches (n,) that the seeds belong to.

    Nested analysis of variance by the method of moments (Searle, Casella and McCulloch 1992, Variance Components), cut
    off at 0. With a single repeat, split and weights cannot be told apart: weights is NaN and split is their sum. With
    a single search or one seed for each, search is NaN.
    """
    repeats = values.shape[1]
    between, within, size = mean_squares(values.mean(1), searches)
    weights = float(values.var(1, ddof=1).mean()) if repeats > 1 else np.nan
    separable = 1 < len(np.unique(searches)) < len(searches)
    search = max(0.0, float(between - within) / size) if separable else np.nan
    split = max(0.0, float(within) - (weights / repeats if repeats > 1 else 0)) if np.isfinite(within) else np.nan
    return Components(search, split, weights)


def image_variance(values: np.ndarray) -> float:
    """Variance that the draw of M test images gives to a mean over them, from values (..., M) per image.

    Values are 0 and 1 for whether a network is right, or the differences of two networks on the same images; over
    leading dimensions it is averaged. An accuracy p has p (1 - p) / (M - 1).
    """
    return float(np.mean(np.var(values, axis=-1, ddof=1) / values.shape[-1]))


def crossed_components(values: np.ndarray) -> dict[tuple[int, ...], float]:
    """Components of values that cross k random factors, one value for each combination of their levels, by their axes.

    (0,) is the variance of the main effect of the first factor, (0, 1) that of its interaction with the second, and the
    interaction of all factors includes what is left. From the mean squares of the balanced design: a component is the
    alternating sum of those of all effects that contain it, over the number of values at each of its levels (Searle,
    Casella and McCulloch 1992, Variance Components). It is unbiased for independently drawn levels, whatever the
    distribution, that of zeros and ones included, and may therefore be negative.
    """
    axes = range(values.ndim)
    effects = [effect for size in axes for effect in combinations(axes, size + 1)]
    squares = {effect: _mean_square(values, effect) for effect in effects}
    return {
        effect: sum((-1) ** (len(one) - len(effect)) * squares[one] for one in effects if {*effect} <= {*one})
        / prod(values.shape[axis] for axis in axes if axis not in effect)
        for effect in effects
    }


def _mean_square(values: np.ndarray, effect: tuple[int, ...]) -> float:
    """The mean square of a main effect, or of an interaction without what its parts explain, by its axes."""
    found = values
    for axis in range(values.ndim):
        mean = found.mean(axis, keepdims=True)
        found = found - mean if axis in effect else mean
    freedom = prod(values.shape[axis] - 1 for axis in effect)
    return float((found**2).sum()) * (values.size // found.size) / freedom
