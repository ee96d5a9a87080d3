"""The training images of a source as torchvision's `ImageFolder` would list them, for the face notebook's splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.datasets.noise import label_set
from stages.datasets.sources.base import Decoded, LabelSet, Listing, Source

RATES = {"partly_random": 0.1, "random": 1.0}
"""Uniform noise in place of the notebook's archives of wrong labels."""


def listings(source: Source, seed: int, raw: Path) -> Mapping[str, Listing]:
    """The images of each set of labels, which differ in order: a wrong label is a file in the folder of another class.

    A source without wrong labels of its own gets some, drawn by `seed`.
    """
    found = source.listings(raw)
    if found is not None:
        return found
    decoded = source.decode(raw)
    images, labels, classes = decoded.images, decoded.clean.labels, len(decoded.classes)
    noisy = {name: label_set(name, "uniform", rate, seed, images, labels, classes) for name, rate in RATES.items()}
    return {name: _listing(decoded, own) for name, own in {"clean": decoded.clean, **noisy}.items()}


def _listing(decoded: Decoded, own: LabelSet) -> Listing:
    """By class; within a class in the order of the source, which is that of its file names if it has any."""
    order = np.argsort(own.labels, kind="stable")
    return Listing(
        own.labels[order],
        decoded.classes,
        decoded.images.shape[1:],
        lambda positions: decoded.images[order[positions]],
    )
