"""What the report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.config import Params

LABEL_SETS = {"clean": "clean labels", "partly_random": "partly random labels", "random": "random labels"}
"""How pages name the label sets."""


@dataclass(frozen=True)
class Run:
    """What training recorded of one variant."""

    history: pd.DataFrame
    """`labels, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, param_norm`"""
    parameters: Mapping[str, Mapping[str, Any]]
    """Resolved, by section: `training` and each regularizer."""
    device: str
    versions: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of each parameter of one network, by name."""


@dataclass(frozen=True)
class Results:
    """All results of a benchmark; the variants and label sets are those of `params`, in that order."""

    params: Params
    card: Mapping[str, Any]
    """What `prepare` measured of the data: `data/card.json`."""
    images: NDArray[np.uint8]
    """The pool: (N, height, width, channels)."""
    labels: Mapping[str, NDArray[np.int64]]
    """By label set, for each image of the pool."""
    classes: tuple[str, ...]
    training: NDArray[np.int64]
    """Indices into the pool of the images that any seed trains on."""
    runs: Mapping[str, Run]
    replicas: pd.DataFrame
    """One row per `variant, labels, seed` with every metric of `evaluate`."""
    confusion: pd.DataFrame
    """`variant, labels, seed, true, predicted, count` on the test set."""
    layers: pd.DataFrame
    """`variant, labels, seed, layer, initial_norm, norm, near_zero`"""
    repository: str
    """The project's address on the web, or an empty text."""
