"""The training images of a source as torchvision's `ImageFolder` would list them, for the face notebook's splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.config import Data
from stages.datasets.noise import derive
from stages.datasets.source import Decoded, LabelSet, Listing, Source


def listings(source: Source, data: Data, raw: Path) -> Mapping[str, Listing]:
    """Those of each label set, which differ in order, for a wrong label is a file in the folder of another class."""
    if source.listings is not None:
        return source.listings(data, raw)
    decoded = source.decode(data, raw)
    labels = dict(decoded.labels)
    if set(labels) == {"clean"}:
        labels |= derive(labels["clean"].labels, len(decoded.classes), data.label_noise)
    return {name: _listing(decoded, label_set) for name, label_set in labels.items()}


def _listing(decoded: Decoded, label_set: LabelSet) -> Listing:
    """By class; within a class in the order of the source, which is that of its file names if it has any."""
    order = np.argsort(label_set.labels, kind="stable")
    return Listing(
        label_set.labels[order],
        decoded.classes,
        decoded.images.shape[1:],
        lambda positions: decoded.images[order[positions]],
    )
