"""What is measured while a stack trains, kept on the device until training ends."""

from __future__ import annotations

import torch
from torch import Tensor

METRICS = (
    "train_loss",
    "train_accuracy",
    "train_accuracy_true",
    "wrong_given",
    "wrong_true",
    "val_loss",
    "val_accuracy",
    "val_loss_true",
    "val_accuracy_true",
    "param_norm",
)
"""Losses are mean negative log likelihoods in nats, accuracies shares in [0, 1], by the labels at hand or, with
`_true`, by the true ones. `wrong_...` are accuracies on the training images whose label is wrong, by the label given
and by the true one; NaN if there are none. Norms are over weights and biases."""


def measured_epochs(epochs: int, every: bool = False, curve: bool = True) -> list[int]:
    """The epochs after which a training of so many is measured, 0 (the initial weights) and the last among them.

    Each of the first ten, where most happens, then at distances of a fifth of the way, but never more than a tenth of
    the whole; all if ``every``. Where no `curve` is wanted, only those of the last three tenths, which tell whether a
    network is still learning.
    """
    found = [0]
    while found[-1] < epochs:
        step = 1 if every else max(1, min(found[-1], epochs // 2) // 5)
        found.append(min(epochs, found[-1] + step))
    return found if every or curve else [0, *(epoch for epoch in found if epoch >= max(1, 0.7 * epochs))]


class History:
    """Measurements of R replicas: row i holds the state after ``epochs[i]`` epochs, row 0 the initial weights."""

    def __init__(self, replicas: int, epochs: list[int], device: torch.device):
        self.epochs = epochs
        self.values = torch.full((len(epochs), len(METRICS), replicas), torch.nan, dtype=torch.double, device=device)
        self.active = torch.ones(replicas, dtype=torch.bool, device=device)
        """(R,): the replicas still in training."""
        self.rows = torch.zeros(replicas, dtype=torch.long, device=device)
        """(R,): how many rows of each replica hold measurements."""
        self.diverged = torch.zeros(replicas, dtype=torch.bool, device=device)
        """(R,): the replicas whose training loss became infinite or undefined."""
        self.row = -1

    def record(self, **metrics: Tensor) -> None:
        """Add a row: a tensor (R,) for each of ``METRICS``."""
        self.row += 1
        self.values[self.row] = torch.stack([metrics[name].double() for name in METRICS])
        self.rows += self.active
        self.diverged |= self.active & ~metrics["train_loss"].isfinite()
        self.active = self.active & ~self.diverged

    def latest(self, metric: str) -> Tensor:
        """The newest measurement (R,) of a metric."""
        return self.values[self.row, METRICS.index(metric)]
