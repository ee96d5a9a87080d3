"""What is measured in every epoch, kept on the device until training ends."""

from __future__ import annotations

import torch
from torch import Tensor

METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "param_norm")
"""Losses are mean negative log likelihoods in nats, accuracies shares in [0, 1], the norm is over all parameters."""


class History:
    """Measurements of R replicas: row e holds the state after e epochs, row 0 the initial weights."""

    def __init__(self, replicas: int, epochs: int, device: torch.device):
        self.values = torch.full((epochs + 1, len(METRICS), replicas), torch.nan, dtype=torch.double, device=device)
        self.active = torch.ones(replicas, dtype=torch.bool, device=device)
        """(R,): the replicas still in training."""
        self.measured = torch.zeros(replicas, dtype=torch.long, device=device)
        """(R,): how many rows of each replica hold measurements."""
        self.diverged = torch.zeros(replicas, dtype=torch.bool, device=device)
        """(R,): the replicas whose training loss became infinite or undefined."""
        self.epoch = -1

    def record(self, **metrics: Tensor) -> None:
        """Add a row: a tensor (R,) for each of ``METRICS``."""
        self.epoch += 1
        self.values[self.epoch] = torch.stack([metrics[name].double() for name in METRICS])
        self.measured += self.active
        self.diverged |= self.active & ~metrics["train_loss"].isfinite()
        self.active = self.active & ~self.diverged

    def latest(self, metric: str) -> Tensor:
        """The newest measurement (R,) of a metric."""
        return self.values[self.epoch, METRICS.index(metric)]
