"""What draws in training, besides `layers.Dropout`: nothing of it acts in evaluation. Strengths are (R,)."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.networks.layers import NoiseLayer


class GaussianNoise(NoiseLayer):
    """Adds to each number of (R, ...) an own draw, normal with standard deviation sigma."""

    def __init__(self, sigma: Tensor):
        super().__init__()
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x + along(self.sigma, x) * self.normal_like(x)


class GaussianDropout(NoiseLayer):
    """Multiplies each number of (R, ...) by an own draw, normal with mean 1 and variance p / (1 - p)."""

    def __init__(self, p: Tensor):
        super().__init__()
        self.sigma = (p.double() / (1 - p.double())).sqrt().float()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * (1 + along(self.sigma, x) * self.normal_like(x))


class StochasticDepth(NoiseLayer):
    """Zeroes all of an example (R, N, ...) with probability p, and scales the rest to keep the mean."""

    def __init__(self, p: Tensor):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = self.uniform(x.shape[1], *[1] * (x.dim() - 2)) >= along(self.p, x)
        return x * kept / along(1 - self.p, x)


class DropBlock(NoiseLayer):
    """Zeroes squares of ``size`` by ``size`` in each channel of (R, N, C, H, W), and scales what is left.

    Squares lie within the picture, one no larger than that; each place of their upper left corner has the probability
    that makes the share of zeros p were there no overlaps. What is left of a replica's batch counts as many times as
    keeps the count.
    """

    def __init__(self, p: Tensor, size: int):
        super().__init__()
        self.p, self.size = p, size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.dim() != 5:
            return x
        height, width = x.shape[3:]
        size = min(self.size, height, width)
        corners = height - size + 1, width - size + 1
        rate = self.p * (height * width / (size**2 * corners[0] * corners[1]))
        drawn = (self.uniform(*x.shape[1:3], *corners) < along(rate, x)).float()
        squares = F.pad(drawn, [size - 1] * 4)
        for dim, length in ((3, height), (4, width)):  # some ten times faster than a max pool
            squares = reduce(torch.maximum, (squares.narrow(dim, start, length) for start in range(size)))
        left = 1 - squares
        scale = left[0].numel() / left.flatten(1).sum(1).clamp(min=1)
        return x * left * along(scale, x)


def along(values: Tensor, x: Tensor) -> Tensor:
    """Values (R,) shaped to act on x (R, ...) replica by replica."""
    return values.view(-1, *[1] * (x.dim() - 1))
