"""Layers for a stack of R replicas: inputs (R, N, ...), every parameter (R, ...).

No bit of a layer's arithmetic may depend on which replicas share its stack: tests check this for all layers on a CPU.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.networks.products import product
from stages.streams import Streams


class Weighted(nn.Module):
    """A layer with a weight (R, outputs, ...) and a bias (R, outputs)."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.reparametrized, self.noisy = Place("weight", outputs), Place("weight_noise", outputs)

    def effective(self) -> Tensor:
        """The weight that acts, noise apart: what methods that reparametrize it make of the one that is learned."""
        weight: Tensor = self.reparametrized(self.weight)
        return weight

    def used(self) -> Tensor:
        """The weight of this pass, with its noise."""
        weight: Tensor = self.noisy(self.effective())
        return weight

    def draw(self, replica: int, generator: torch.Generator) -> None:
        """Draw one replica's weights as ``torch.nn.Linear`` and ``torch.nn.Conv2d`` draw theirs, on the CPU."""
        weight, bias = torch.empty(self.weight.shape[1:]), torch.empty(self.bias.shape[1:])
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(weight[0].numel())
        nn.init.uniform_(bias, -bound, bound, generator=generator)
        with torch.no_grad():
            self.weight[replica] = weight
            self.bias[replica] = bias


class Linear(Weighted):
    """R linear maps: (R, N, inputs) to (R, N, outputs)."""

    def __init__(self, replicas: int, inputs: int, outputs: int, device: torch.device):
        super().__init__(outputs)
        self.weight = nn.Parameter(torch.empty(replicas, outputs, inputs, device=device))
        self.bias = nn.Parameter(torch.empty(replicas, outputs, device=device))

    def forward(self, x: Tensor) -> Tensor:
        # This order of the factors gives the weights a gradient in their own layout, which saves a copy every step.
        return product(self.used(), x.mT).add_(self.bias[..., None]).mT


class Conv2d(Weighted):
    """R convolutions of square kernels, padded so that stride 1 keeps the size: (R, N, C, H, W) to (R, N, C', H', W').

    One replica after the other: on a CPU, one grouped convolution takes as long or longer and rounds a replica by its
    neighbors, and unfolding with one product takes three to ten times as long. On a GPU the grouped one saves kernel
    launches.
    """

    def __init__(self, replicas: int, inputs: int, outputs: int, kernel: int, device: torch.device, stride: int = 1):
        super().__init__(outputs)
        self.stride, self.padding = stride, kernel // 2
        self.weight = nn.Parameter(torch.empty(replicas, outputs, inputs, kernel, kernel, device=device))
        self.bias = nn.Parameter(torch.empty(replicas, outputs, device=device))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.used()
        if not x.is_cuda:
            parts = zip(x.unbind(), weight.unbind(), self.bias.unbind(), strict=True)
            return torch.stack([F.conv2d(*part, self.stride, self.padding) for part in parts])
        replicas = len(x)
        y = F.conv2d(
            x.transpose(0, 1).flatten(1, 2),
            weight.flatten(0, 1),
            self.bias.flatten(),
            self.stride,
            self.padding,
            groups=replicas,
        )
        return y.unflatten(1, (replicas, -1)).transpose(0, 1)


class Normalization(nn.Module):
    """A layer that normalizes units or channels, with a scale (R, units) and a shift (R, units) of its own."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, replicas: int, units: int, device: torch.device):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(replicas, units, device=device))
        self.bias = nn.Parameter(torch.zeros(replicas, units, device=device))

    def scaled(self, normalized: Tensor) -> Tensor:
        """Scale and shift normalized (R, N, units, ...)."""
        if normalized.dim() == 3:
            # The layout in which `Linear` leaves its outputs: where layouts differ, all that follows is slow.
            normalized = normalized.mT.contiguous().mT
        shape = [len(normalized), 1, -1, *[1] * (normalized.dim() - 3)]
        return normalized * self.weight.view(shape) + self.bias.view(shape)


class BatchNorm(Normalization):
    """R batch normalizations over (R, N, units, ...); each unit or channel of each replica has its own statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, replicas: int, units: int, momentum: float, device: torch.device):
        super().__init__(replicas, units, device)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(replicas, units, device=device))
        self.register_buffer("running_var", torch.ones(replicas, units, device=device))

    def forward(self, x: Tensor) -> Tensor:
        mean, var, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
        if x.dim() > 3 and not x.is_cuda:  # one replica after the other, as `Conv2d` does
            parts = zip(x.unbind(), mean.unbind(), var.unbind(), weight.unbind(), bias.unbind(), strict=True)
            return torch.stack([F.batch_norm(*part, self.training, self.momentum) for part in parts])
        units = x.transpose(1, 2)  # the layout in which `Linear` leaves its outputs, so that nothing is copied
        rows = units.reshape(1, len(x) * units.shape[1], -1)
        statistics = mean.view(-1), var.view(-1)
        normalized = F.batch_norm(rows, *statistics, weight.view(-1), bias.view(-1), self.training, self.momentum)
        return normalized.view(units.shape).transpose(1, 2)


class LayerNorm(Normalization):
    """R layer normalizations over the units or channels of (R, N, units, ...), for each example and place alone."""

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(2, -1)
        return self.scaled(F.layer_norm(last, last.shape[-1:]).movedim(-1, 2))


class NoiseLayer(nn.Module):
    """A layer that draws in training; the network it is inserted in tells it from which stream."""

    streams: Streams | None = None
    purpose: str = ""

    def uniform(self, *shape: int) -> Tensor:
        """Uniform draws on [0, 1): (R, *shape)."""
        return self._drawn().uniform(self.purpose, *shape)

    def uniform_like(self, x: Tensor) -> Tensor:
        """Uniform draws on [0, 1) in the shape of x (R, ...), and in its layout, for where they differ all is slow."""
        return laid_out(self.uniform(x[0].numel()), x)

    def normal_like(self, x: Tensor) -> Tensor:
        """Standard normal draws in the shape and the layout of x (R, ...)."""
        return laid_out(self._drawn().normal(self.purpose, x[0].numel()), x)

    def _drawn(self) -> Streams:
        if self.streams is None:
            raise RuntimeError("noise needs the streams that Network.draw passes to modules inserted in the network")
        return self.streams


def laid_out(rows: Tensor, x: Tensor) -> Tensor:
    """Rows (R, n) in the shape of x (R, ...), each replica's numbers in memory as those of x."""
    one = torch.empty_like(x[0], device="meta")
    return rows.as_strided(x.shape, (one.numel(), *one.stride()))


class Dropout(NoiseLayer):
    """Zeroes each number of (R, N, ...) with probability p (R,), and scales the rest to keep the mean; in training."""

    def __init__(self, p: Tensor):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        p = self.p.view(-1, *[1] * (x.dim() - 1))
        return x * ((self.uniform_like(x) >= p) * (1 / (1 - p)))


class Reparametrization(nn.Module):
    """What makes the weight of a layer from the one that is learned: (R, outputs, ...) to the same shape."""

    def begin(self, weight: Tensor, streams: Streams, purpose: str) -> None:
        """Set what it holds by the initial weight; ``purpose`` names the stream to draw from."""


class Residual(nn.Module):
    """Adds to its input, or to a shortcut's output, what a branch makes of it."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x)
        return y + (x if self.shortcut is None else self.shortcut(x))


class MaxPool(nn.Module):
    """The largest of each square of ``size`` by ``size``: (R, N, C, H, W) to (R, N, C, H // size, W // size)."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x.flatten(0, 1), self.size).unflatten(0, x.shape[:2])


class GlobalMeanPool(nn.Module):
    """Means over all places: (R, N, C, H, W) to (R, N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(3).mean(-1)


class Flatten(nn.Module):
    """Images (R, N, C, H, W) to rows (R, N, C * H * W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)


class Activation(nn.Module):
    """A function of each number, by its name in ``torch.nn.functional``; in place where no gradient is needed."""

    def __init__(self, name: str):
        super().__init__()
        self.function, self.in_place = getattr(F, name), getattr(F, f"{name}_")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(x) if torch.is_grad_enabled() else self.in_place(x)
        return y


KINDS = ("input", "norm", "drop", "branch", "weight", "weight_noise")
"""The kinds of places: for images, after a hidden layer's linear map, after that and before the activation, at the end
of a residual branch; for a layer's weight before it is used, and after that."""


class Place(nn.Module):
    """Where methods insert their modules: does nothing by itself, else applies them in the order they came.

    ``kind`` is one of ``KINDS``; ``units`` are the units or channels there.
    """

    def __init__(self, kind: str, units: int):
        super().__init__()
        self.kind, self.units = kind, units
        self.hung = nn.ModuleDict()

    def hang(self, name: str, module: nn.Module) -> None:
        """Add a module; it replaces one of the same name, which a network may come with."""
        self.hung[name] = module

    def forward(self, x: Tensor) -> Tensor:
        for module in self.hung.values():
            x = module(x)
        return x
