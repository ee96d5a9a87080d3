"""What makes the weights of a layer from those that are learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.networks.layers import Reparametrization
from stages.networks.matrices import normalized, norms, singular_value, singular_vectors
from stages.streams import Streams

START = 100
"""Power iterations at the initial weights, for there is no vector yet to go on from."""


class WeightNorm(Reparametrization):
    """Each unit's weights in the direction of those that are learned, and as long as a scale (R, outputs)."""

    def __init__(self, replicas: int, outputs: int, device: torch.device):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(replicas, outputs, device=device))

    def begin(self, weight: Tensor, streams: Streams, purpose: str) -> None:
        with torch.no_grad():
            self.scale.copy_(norms(weight))

    def forward(self, weight: Tensor) -> Tensor:
        factors = (self.scale / norms(weight)).float()
        return weight * factors.view(*factors.shape, *[1] * (weight.dim() - 2))


class SpectralNorm(Reparametrization):
    """A layer's weights over the largest singular value of their matrix, by power iteration.

    The value is |W'u|; u (R, outputs) moves with `iterate` alone, so that a pass twice is the same twice.
    """

    u: Tensor

    def __init__(self, replicas: int, outputs: int, device: torch.device):
        super().__init__()
        self.register_buffer("u", torch.zeros(replicas, outputs, device=device))

    def begin(self, weight: Tensor, streams: Streams, purpose: str) -> None:
        self.u.copy_(normalized(streams.uniform(purpose, self.u.shape[1]).double() * 2 - 1))
        self.iterate(weight, START)

    def iterate(self, weight: Tensor, iterations: int) -> None:
        """Bring u nearer to the vector of the largest singular value."""
        self.u.copy_(singular_vectors(weight, self.u, iterations)[0])

    def forward(self, weight: Tensor) -> Tensor:
        largest = singular_value(weight, *singular_vectors(weight, self.u, 0))
        return weight / largest.float().view(-1, *[1] * (weight.dim() - 1))
