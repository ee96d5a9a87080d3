"""What a reader expects of the data without a network: classifiers of scikit-learn, on pixels in [-1, 1].

They are trained on the very images and labels that the networks get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.tasks import Material

Array = NDArray[Any]

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""The values of C, the inverse strength of the squared penalty, among which the logistic regression is chosen."""


class Classifier(Protocol):
    def predict(self, images: Array) -> Array:
        """Class indices (N,) of images (N, pixels)."""


def logistic_regression(images: Array, labels: Array, val: Array, val_labels: Array, seed: int) -> Classifier:
    """The best of ``STRENGTHS`` by accuracy on the validation images and labels at hand; of equals the simplest."""
    from sklearn.linear_model import LogisticRegression  # a second, so only where it is needed

    fitted = [LogisticRegression(C=c, max_iter=1000, tol=1e-3).fit(images, labels) for c in STRENGTHS]
    best: Classifier = max(fitted, key=lambda each: float((each.predict(val) == val_labels).mean()))
    return best


def random_forest(images: Array, labels: Array, val: Array, val_labels: Array, seed: int) -> Classifier:
    """A hundred trees and all else as scikit-learn has it; nothing is chosen. Breiman 2001, "Random Forests"."""
    from sklearn.ensemble import RandomForestClassifier

    fitted: Classifier = RandomForestClassifier(random_state=seed, n_jobs=1).fit(images, labels)
    return fitted


METHODS: dict[str, Callable[[Array, Array, Array, Array, int], Classifier]] = {
    "logistic_regression": logistic_regression,
    "random_forest": random_forest,
}
"""From training images (N, pixels) with labels (N,), validation images (V, pixels) with labels (V,), and a seed."""


def flattened(images: Array) -> Array:
    """Rows (N, pixels) in [-1, 1] of uint8 images (N, H, W, C)."""
    return images.reshape(len(images), -1) / 127.5 - 1


def scores(
    which: tuple[str, str, int], material: Material, pixels: Array, tested: Array, test_labels: Array
) -> dict[str, Any]:
    """What one of ``METHODS`` reaches on a task with a seed, by their names.

    ``pixels`` and ``tested`` are the images of `material` and of the test set, `flattened`.
    """
    from threadpoolctl import threadpool_limits

    method, name, seed = which
    task = material.tasks[name]
    split, labels = task.splits[seed], task.labels
    with threadpool_limits(1):  # the same sums on any number of cores
        fitted = METHODS[method](pixels[split.train], labels[split.train], pixels[split.val], labels[split.val], seed)
        memory, validated, test = (fitted.predict(rows) for rows in (pixels[split.train], pixels[split.val], tested))
    wrong = labels[split.train] != material.true[split.train]
    return {
        "method": method,
        "task": name,
        "seed": seed,
        "test_accuracy": float((test == test_labels).mean()),
        "val_accuracy": float((validated == labels[split.val]).mean()),
        "accuracy_on_wrong_given": float((memory == labels[split.train])[wrong].mean()) if wrong.any() else np.nan,
    }
