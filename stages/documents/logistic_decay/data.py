"""The 100 points of document 000 and, for work without a network, points drawn in their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages import rng
from stages.datasets import transfer
from stages.documents.logistic_decay import LogisticDecaySettings
from stages.documents.outcome import DataNote
from stages.errors import UserError
from stages.files import sha256sum
from stages.tasks import Labels

FILE = "toydata.txt"
LICENCE = "not stated"
SHA256 = "47a36b4a414b3cfc25be5d1eeb9c92c89c4aebed0f08bedfa704eae13b647b4d"
"""The hash of the file as published: another table would give other numbers under the lecture's name."""
ROWS = 100
CLOUDS = (((-1.7, -1.6), 1.4), ((2.0, 2.2), 1.05))
"""Mean and standard deviation of each class of the generated points: near those of the published ones."""


@dataclass(frozen=True)
class ToyPoints:
    features: NDArray[np.float32]
    """(100, 2)"""
    labels: Labels
    """(100,), 0 or 1"""
    note: DataNote


def load(settings: LogisticDecaySettings, raw: Path) -> ToyPoints:
    """The points asked for; those published are fetched into `raw` unless they are there.

    Raises `UserError` if the file cannot be had or is not the right one.
    """
    if settings.data == "generated":
        return generate()
    transfer.fetch("toydata", {FILE: settings.url}, LICENCE, accept, raw)
    features, labels = _read(raw / FILE)
    return ToyPoints(
        features,
        labels,
        DataNote(
            "The lecture’s toy data",
            True,
            f"{FILE} of the lecture: {ROWS} points with two features, {labels.sum()} of them of class 1.",
        ),
    )


def clouds(rows: int, generator: np.random.Generator) -> tuple[NDArray[np.float32], Labels]:
    """So many points (rows, 2) of two Gaussian clouds, half of each, about as far apart as the published ones, and
    their labels (rows,)."""
    features = np.concatenate([generator.normal(mean, std, (rows // 2, 2)) for mean, std in CLOUDS])
    return features.astype(np.float32), np.repeat(np.arange(2), rows // 2)


def generate() -> ToyPoints:
    """Two clouds of 50 points each; always the same."""
    features, labels = clouds(ROWS, rng.generator(0, "toydata"))
    return ToyPoints(
        features,
        labels,
        DataNote(
            f"{ROWS} generated points",
            False,
            f"Two Gaussian clouds of {ROWS // 2} points each, drawn from a seed, about as far apart as the lecture’s "
            "own; with `documents.logistic_decay.data: published` in `params.yaml` the lecture’s own are fetched.",
        ),
    )


def accept(path: Path) -> None:
    """Raise `UserError` unless the file is the published one."""
    _read(path)


def _read(path: Path) -> tuple[NDArray[np.float32], Labels]:
    found = sha256sum(path)
    if found != SHA256:
        raise UserError(
            f"{path.name} is not the lecture's: expected its {ROWS} rows with the sha256 {SHA256}, "
            f"found {path.stat().st_size:,} bytes with {found}"
        )
    table = np.loadtxt(path, delimiter="\t")
    return table[:, :2].astype(np.float32), table[:, 2].astype(np.int64)
