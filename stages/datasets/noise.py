"""Label noise: which of the true labels become wrong, and what they become.

Each kind gets the images uint8 (N, H, W, C) with their true labels (N,), the number of classes, a rate in [0, 1] and a
random stream, and gives the noisy labels (N,).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages import rng
from stages.datasets.sources.base import LabelSet
from stages.tasks import Images, Labels

FOLDS = 5


def uniform(images: Images, labels: Labels, classes: int, rate: float, generator: np.random.Generator) -> Labels:
    """`round(rate * N)` labels redrawn uniformly from all classes.

    A redrawn label may keep its value: about `rate * (1 - 1 / classes)` of the labels end up wrong.
    """
    noisy = labels.copy()
    chosen = generator.permutation(len(labels))[: round(rate * len(labels))]
    noisy[chosen] = generator.integers(classes, size=len(chosen))
    return noisy


def class_dependent(
    images: Images, labels: Labels, classes: int, rate: float, generator: np.random.Generator
) -> Labels:
    """`round(rate * n)` of the n images of each class, drawn at random, labeled as the next class; the last as the
    first.

    Classes are in the order of the source. Pair flipping: Han et al. 2018, https://arxiv.org/abs/1804.06872.
    """
    noisy = labels.copy()
    shuffled = generator.permutation(len(labels))
    for label in range(classes):
        members = shuffled[labels[shuffled] == label]
        noisy[members[: round(rate * len(members))]] = (label + 1) % classes
    return noisy


def instance_dependent(
    images: Images, labels: Labels, classes: int, rate: float, generator: np.random.Generator
) -> Labels:
    """The `round(rate * N)` images that a linear classifier is least sure of, labeled as the wrong class that it
    considers most likely.

    An image's margin is the probability of its true class minus that of the likeliest other, by a logistic regression
    on the pixels that was fitted without it: cross-fitting in five folds, the only random part. Hard images get
    plausible wrong labels, as those of Algan and Ulusoy 2020, https://arxiv.org/abs/2003.10471, do by a network.
    """
    from sklearn.linear_model import LogisticRegression  # a second, so only where it is needed
    from threadpoolctl import threadpool_limits

    pixels = images.reshape(len(images), -1) / 255
    fold = generator.permutation(len(labels)) % FOLDS
    probabilities = np.zeros((len(labels), classes))
    with threadpool_limits(1):  # the same sums on any number of cores
        for held_out in range(FOLDS):
            model = LogisticRegression(max_iter=1000, tol=1e-3).fit(pixels[fold != held_out], labels[fold != held_out])
            rows = np.flatnonzero(fold == held_out)
            probabilities[np.ix_(rows, model.classes_)] = model.predict_proba(pixels[rows])
    everyone = np.arange(len(labels))
    own = probabilities[everyone, labels]
    probabilities[everyone, labels] = -1
    other = probabilities.argmax(1)
    margin = own - probabilities[everyone, other]
    chosen = np.argsort(margin, kind="stable")[: round(rate * len(labels))]
    noisy = labels.copy()
    noisy[chosen] = other[chosen]
    return noisy


KINDS: dict[str, Callable[[Images, Labels, int, float, np.random.Generator], Labels]] = {
    "uniform": uniform,
    "class_dependent": class_dependent,
    "instance_dependent": instance_dependent,
}
"""The kinds of noise by the name that a task in `params.yaml` gives."""
ORIGINS = {
    "uniform": "labels redrawn uniformly from all classes",
    "class_dependent": "each class confused with the next",
    "instance_dependent": "images hard for a linear classifier, labeled as the wrong class it finds likeliest",
}
"""In words."""


def label_set(task: str, kind: str, rate: float, seed: int, images: Images, labels: Labels, classes: int) -> LabelSet:
    """The noisy labels of a task, from its own random stream, so that no other task affects them."""
    generator = rng.generator(seed, f"label_noise.{task}")
    noisy = KINDS[kind](images, labels, classes, rate, generator)
    return LabelSet(noisy, f"{ORIGINS[kind]}; from seed {seed}", rate)
