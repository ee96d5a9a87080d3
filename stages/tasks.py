"""What is learnt: labels over the images of the pool, and for each seed the images to train and to validate on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import Split, read_pool, read_splits


@dataclass(frozen=True)
class Task:
    labels: NDArray[np.int64]
    """For each image of the pool the label to learn: (N,)."""
    splits: Mapping[int, Split]
    """By seed."""


@dataclass(frozen=True)
class Material:
    """What training is given."""

    images: NDArray[np.uint8]
    """The pool: (N, height, width, channels)."""
    classes: tuple[str, ...]
    tasks: Mapping[str, Task]


def read() -> Material:
    pool, splits = read_pool(), read_splits()
    return Material(pool.images, pool.classes, {name: Task(labels, splits) for name, labels in pool.labels.items()})
