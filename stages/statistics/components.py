"""Where the variance between trainings comes from."""

from __future__ import annotations

from dataclasses import dataclass

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
