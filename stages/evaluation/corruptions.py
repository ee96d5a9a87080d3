"""Worse pictures of the same things: Hendrycks and Dietterich 2019, https://arxiv.org/abs/1903.12261.

Images are float32 (N, H, W, C) in [0, 1]. All networks see the same ones: what is drawn for an image is drawn from a
stream of its index, by NumPy, so that it is the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages import rng

Pictures = NDArray[np.float32]


def noise(images: Pictures, sigma: float) -> Pictures:
    """Each pixel plus an own draw, normal with standard deviation ``sigma``."""
    draws = [rng.generator(index, "corruption.noise").standard_normal(images.shape[1:]) for index in range(len(images))]
    return _within(images + sigma * np.stack(draws))


def blur(images: Pictures, sigma: float) -> Pictures:
    """Convolved with a Gaussian with a standard deviation of ``sigma`` pixels; the border's pixels go on beyond it."""
    from scipy.ndimage import gaussian_filter  # only where it is needed, for it is slow to import

    return _within(gaussian_filter(images.astype(float), (0, sigma, sigma, 0), mode="nearest"))


def contrast(images: Pictures, factor: float) -> Pictures:
    """Each pixel at ``factor`` times its distance from the mean of its image's channel."""
    mean = images.mean((1, 2), keepdims=True, dtype=float)
    return _within(mean + factor * (images - mean))


def _within(images: NDArray[np.float64]) -> Pictures:
    return images.clip(0, 1).astype(np.float32)
