"""Normalizations of hidden units besides those of `layers`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.networks.layers import BatchNorm, Normalization


class GroupNorm(Normalization):
    """R group normalizations of (R, N, units, ...): of each example, over a group of units and all places."""

    def __init__(self, replicas: int, units: int, groups: int, device: torch.device):
        super().__init__(replicas, units, device)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(F.group_norm(x.flatten(0, 1), self.groups).unflatten(0, x.shape[:2]))


class GhostBatchNorm(BatchNorm):
    """R batch normalizations, each over parts of the batch: as few as hold at most ``size`` images, and alike in size.

    One part after the other goes into the running statistics.
    """

    def __init__(self, replicas: int, units: int, momentum: float, size: int, device: torch.device):
        super().__init__(replicas, units, momentum, device)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        images = x.shape[1]
        count = -(-images // self.size)
        if not self.training or count == 1:
            return super().forward(x)
        sizes = [images // count + (part < images % count) for part in range(count)]
        parts = [super(GhostBatchNorm, self).forward(part) for part in x.split(sizes, dim=1)]
        return torch.cat([part.transpose(1, 2) for part in parts], dim=2).transpose(1, 2)
