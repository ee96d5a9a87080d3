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
        normalized = F.group_norm(x.flatten(0, 1), self.groups).unflatten(0, x.shape[:2])
        shape = [len(x), 1, -1, *[1] * (x.dim() - 3)]
        return normalized * self.weight.view(shape) + self.bias.view(shape)


class GhostBatchNorm(BatchNorm):
    """R batch normalizations, each over parts of the batch: as few as hold at most ``size`` images, and alike in size.

    One part after the other goes into the running statistics.
    """

    def __init__(self, replicas: int, units: int, momentum: float, size: int, device: torch.device):
        super().__init__(replicas, units, momentum, device)
        self.size = size

    def normalized(self, x: Tensor) -> Tensor:
        count = -(-x.shape[2] // self.size)
        if not self.training or count == 1:
            return super().normalized(x)
        parts = x.tensor_split(count, dim=2)
        return torch.cat([super(GhostBatchNorm, self).normalized(part.contiguous()) for part in parts], dim=2)
