"""How well a network classifies and whether it is still learning."""

from __future__ import annotations

import numpy as np

COLDEST, HOTTEST = 0.01, 100.0
"""The range in which a temperature is looked for."""


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


def best_temperature(log_probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each of R networks the temperature T (R,) by which its logits are divided to give the labels the least loss.

    Takes log-probabilities, or logits, (R, N, K) and class indices (R, N). The loss is convex in 1/T: its slope is
    bisected to within a ten-thousandth of 1/T, and two steps of Newton find the rest. Where the loss still falls at an
    end of the range, as where every label is the likeliest class or the labels are random, T is that end; NaN where
    a log-probability is. Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    logits = np.asarray(log_probabilities, dtype=float)
    logits = logits - logits.max(-1, keepdims=True)
    given = np.take_along_axis(logits, labels[..., None], -1)[..., 0].mean(-1)

    def slopes(inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative of the mean loss (R,) in 1/T (R,)."""
        weights = np.exp(inverse[:, None, None] * logits)
        total = weights.sum(-1)
        weights *= logits
        mean = weights.sum(-1) / total
        weights *= logits
        return mean.mean(-1) - given, (weights.sum(-1) / total - mean**2).mean(-1)

    low = np.full(len(logits), np.log(1 / HOTTEST))
    high = np.full(len(logits), np.log(1 / COLDEST))
    while high[0] - low[0] > 1e-4:
        middle = (low + high) / 2
        falls = slopes(np.exp(middle))[0] <= 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    inverse = np.exp((low + high) / 2)
    for _ in range(2):
        first, second = slopes(inverse)
        with np.errstate(divide="ignore", invalid="ignore"):  # a loss that no longer bends is at an end of the range
            step = np.where(first == 0, 0, first / second)
        inverse = np.clip(inverse - step, 1 / HOTTEST, 1 / COLDEST)
    return 1 / inverse
