"""Label sets: the true labels, and the same with a share of them drawn anew."""

from __future__ import annotations

import numpy as np

from stages import rng
from stages.config import LabelNoise
from stages.datasets.arrays import Labels
from stages.datasets.source import LabelSet


def redraw(labels: Labels, share: float, classes: int, generator: np.random.Generator) -> Labels:
    """`labels` (N,) with `round(share * N)` of them drawn anew, uniformly over all classes.

    A label drawn anew may keep its value: about `share * (1 - 1 / classes)` of the labels end up wrong.
    """
    noisy = labels.copy()
    chosen = generator.permutation(len(labels))[: round(share * len(labels))]
    noisy[chosen] = generator.integers(classes, size=len(chosen))
    return noisy


def derive(labels: Labels, classes: int, noise: LabelNoise) -> dict[str, LabelSet]:
    """The noisy label sets of a source that has only true labels, each from a random stream of its own."""
    return {
        name: LabelSet(
            redraw(labels, share, classes, rng.generator(noise.seed, f"label_noise.{name}")),
            f"derived from seed {noise.seed}",
            share,
        )
        for name, share in (("partly_random", noise.partly_random), ("random", noise.random))
    }
