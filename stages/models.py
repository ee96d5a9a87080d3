"""The networks of the seed notebook, for a stack of replicas.

A stack holds R networks of one architecture: every parameter has a leading dimension R, and no operation mixes
replicas. `stages/README.md` tells why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from stages.training.streams import Streams

ALIGNED = 4
"""Numbers of 4 bytes in 16."""


class Linear(nn.Module):
    """R linear maps: (R, N, inputs) to (R, N, outputs)."""

    def __init__(self, replicas: int, inputs: int, outputs: int, device: torch.device):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(replicas, outputs, inputs, device=device))
        self.bias = nn.Parameter(torch.empty(replicas, outputs, device=device))

    def draw(self, replica: int, generator: torch.Generator) -> None:
        """Draw one replica's weights as ``torch.nn.Linear`` draws its own, from a CPU generator."""
        weight, bias = torch.empty(self.weight.shape[1:]), torch.empty(self.bias.shape[1:])
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(weight.shape[1])
        nn.init.uniform_(bias, -bound, bound, generator=generator)
        with torch.no_grad():
            self.weight[replica] = weight
            self.bias[replica] = bias

    def forward(self, x: Tensor) -> Tensor:
        images, (outputs, inputs) = x.shape[1], self.weight.shape[1:]
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        # MKL rounds a product by whether a matrix begins at a multiple of 16 bytes. Where those of a stack would not,
        # rows of zeros between them see to it, or a replica's bits would depend on its place in the stack.
        if images % ALIGNED:
            x = F.pad(x, (0, 0, 0, -images % ALIGNED))
        if inputs % ALIGNED and outputs % ALIGNED:
            weight, bias = F.pad(weight, (0, 0, 0, -outputs % ALIGNED)), F.pad(bias, (0, -outputs % ALIGNED))
        # This order of the factors gives the weights a gradient in their own layout, which saves a copy every step.
        return torch.baddbmm(bias[..., None], weight, x.mT).mT[:, :images, :outputs]


class BatchNorm(nn.Module):
    """R batch normalizations over (R, N, units); each unit of each replica has its own statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, replicas: int, units: int, momentum: float, device: torch.device):
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(replicas, units, device=device))
        self.bias = nn.Parameter(torch.zeros(replicas, units, device=device))
        self.register_buffer("running_mean", torch.zeros(replicas, units, device=device))
        self.register_buffer("running_var", torch.ones(replicas, units, device=device))

    def forward(self, x: Tensor, training: bool) -> Tensor:
        replicas, images, units = x.shape
        # The layout in which `Linear` leaves its outputs, so that nothing is copied.
        normalized = F.batch_norm(
            x.mT.reshape(1, replicas * units, images),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            training,
            self.momentum,
        )
        return normalized.view(replicas, units, images).mT


class Network(nn.Module):
    """A stack of R multilayer perceptrons over flattened images.

    Each hidden layer is linear, batch normalization if added, dropout if set, activation. The parameters are named
    as in the seed notebook: ``fc1``, ``fc2``, ``fc3``.
    """

    def __init__(
        self,
        replicas: int,
        inputs: int,
        hidden: tuple[int, ...],
        classes: int,
        activation: Callable[[Tensor], Tensor],
        dropout: tuple[float, ...],
        device: torch.device,
    ):
        super().__init__()
        self.replicas, self.hidden, self.activation, self.dropout = replicas, hidden, activation, dropout
        self.device = device
        sizes = [inputs, *hidden, classes]
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            self.add_module(f"fc{layer}", Linear(replicas, fan_in, fan_out, device))

    def set_dropout(self, p: float) -> None:
        """Drop hidden units with probability ``p`` in every hidden layer."""
        self.dropout = (p,) * len(self.hidden)

    def add_batch_norm(self, momentum: float) -> None:
        """Normalize every hidden layer before its activation."""
        for layer, units in enumerate(self.hidden, start=1):
            self.add_module(f"bn{layer}", BatchNorm(self.replicas, units, momentum, self.device))

    @property
    def linears(self) -> list[Linear]:
        """The linear maps, the output's last."""
        return [layer for layer in self.children() if isinstance(layer, Linear)]

    @property
    def batch_norms(self) -> list[BatchNorm]:
        """The batch normalizations of the hidden layers, if they were added."""
        return [layer for layer in self.children() if isinstance(layer, BatchNorm)]

    @property
    def trains_as_it_predicts(self) -> bool:
        """True if a training pass gives the same outputs as an evaluation pass."""
        return not self.batch_norms and not any(self.dropout)

    def draw(self, streams: Streams) -> None:
        """Draw the initial weights, layer by layer, each replica from its own stream ``init``."""
        for replica in range(self.replicas):
            generator = streams.generator(replica, "init")
            for linear in self.linears:
                linear.draw(replica, generator)

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Logits (R, N, classes) of images x (R, N, C, H, W); with ``streams`` a training pass, else an evaluation."""
        x = x.flatten(2)
        *hidden, output = self.linears
        norms = self.batch_norms
        for layer, (linear, p) in enumerate(zip(hidden, self.dropout, strict=True)):
            x = linear(x)
            if norms:
                x = norms[layer](x, training=streams is not None)
            if streams is not None and p:
                x = x * (streams.uniform(f"dropout.{layer}", *x.shape[1:]) >= p) / (1 - p)
            x = self.activation(x)
        return output(x)

    @staticmethod
    def copy_replicas(source: Mapping[str, Tensor], target: Mapping[str, Tensor], chosen: Tensor) -> None:
        """Copy the weights of the replicas ``chosen`` (R,) from one state dict to another, in place."""
        for name, value in source.items():
            target[name].copy_(value.where(chosen.view(-1, *[1] * (value.dim() - 1)), target[name]))

    def norm(self) -> Tensor:
        """The parameter norm (R,): square root of the sum of squares over weights and biases.

        Scales and shifts of batch normalization are left out, or networks with and without could not be compared.
        """
        return norm([p for linear in self.linears for p in linear.parameters()])

    def layer_norms(self) -> dict[str, Tensor]:
        """The norm (R,) of the parameters of each layer, by the layer's name."""
        return {name: norm(list(layer.parameters())) for name, layer in self.named_children()}


def norm(parameters: list[nn.Parameter]) -> Tensor:
    """Square root of the sum of squares over parameters (R, ...): (R,).

    Added up and rooted in float64, for MKL's root of float32 depends on the processor and on the place in the tensor.
    """
    squares = [p.detach().square().flatten(1).sum(1).double() for p in parameters]
    return torch.stack(squares).sum(0).sqrt().float()


@dataclass(frozen=True)
class Architecture:
    """A network's shape apart from the data: hidden units, activation, dropout before each activation."""

    hidden: tuple[int, ...]
    activation: Callable[[Tensor], Tensor]
    dropout: tuple[float, ...]

    def stack(self, replicas: int, image_shape: tuple[int, ...], classes: int, device: torch.device) -> Network:
        """R networks for images (C, H, W), weights not yet drawn."""
        return Network(replicas, math.prod(image_shape), self.hidden, classes, self.activation, self.dropout, device)


def parameter_count(network: str, image_shape: tuple[int, ...], classes: int) -> int:
    """Weights and biases of one replica of a network in ``NETWORKS``, for images (C, H, W)."""
    stack = NETWORKS[network].stack(1, image_shape, classes, torch.device("meta"))
    return sum(p.numel() for p in stack.parameters())


NETWORKS: dict[str, Architecture] = {
    "AnimalNet": Architecture((128, 32), F.relu, (0.0, 0.0)),
    "WideAnimalNet": Architecture((256, 64), F.relu, (0.0, 0.0)),
    "BigAnimalNet": Architecture((124, 64), F.leaky_relu, (0.0, 0.0)),
    "AnimalNetDropout": Architecture((248, 210), F.leaky_relu, (0.5, 0.3)),
}
"""The seed notebook's networks (001), which end in log-softmax there and in logits here; and WideAnimalNet, which is
AnimalNet with twice the hidden units, for BigAnimalNet is larger than AnimalNet on small images only."""
