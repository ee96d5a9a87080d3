"""What every network is: a sequence of stacked layers with places for the modules of methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stages.networks.layers import (
    KINDS,
    BatchNorm,
    Dropout,
    NoiseLayer,
    Normalization,
    Place,
    Reparametrization,
    Weighted,
)
from stages.streams import Streams


class Network(nn.Module):
    """A stack of R networks: ``train()`` and ``eval()`` as everywhere in torch."""

    def __init__(self, replicas: int, layers: Mapping[str, nn.Module], dropout: Sequence[float], device: torch.device):
        """``dropout`` are the network's own probabilities, place by place; the method of that name replaces them."""
        super().__init__()
        self.replicas, self.device = replicas, device
        for name, layer in layers.items():
            self.add_module(name, layer)
        for place, p in zip(self.places("drop"), dropout, strict=bool(dropout)):
            place.hang("dropout", Dropout(torch.full((replicas,), p, device=device)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (R, N, classes) of images x (R, N, C, H, W)."""
        for layer in self.children():
            x = layer(x)
        return x

    def places(self, kind: str) -> list[Place]:
        """The places of a kind, in the order of the layers."""
        return [module for module in self.modules() if isinstance(module, Place) and module.kind == kind]

    @property
    def weighted(self) -> list[Weighted]:
        """The linear maps and convolutions, the output's last."""
        return [module for module in self.modules() if isinstance(module, Weighted)]

    @property
    def normalizations(self) -> list[Normalization]:
        """The normalizations that methods have inserted in the network."""
        return [module for module in self.modules() if isinstance(module, Normalization)]

    @property
    def normalizes_batches(self) -> bool:
        return any(isinstance(module, BatchNorm) for module in self.modules())

    def draw(self, streams: Streams) -> None:
        """Draw the initial weights, layer by layer, each replica from its own stream ``init``.

        The noise of inserted modules is drawn from the same streams later, each place from its own.
        """
        for kind in KINDS:
            for number, place in enumerate(self.places(kind)):
                for name, module in place.hung.items():
                    if isinstance(module, NoiseLayer):
                        module.streams, module.purpose = streams, f"{name}.{kind}.{number}"
        for replica in range(self.replicas):
            generator = streams.generator(replica, "init")
            for layer in self.weighted:
                layer.draw(replica, generator)
        for number, layer in enumerate(self.weighted):
            for name, module in layer.reparametrized.hung.items():
                if isinstance(module, Reparametrization):
                    module.begin(layer.weight.detach(), streams, f"{name}.{number}")

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Passes within, forward and backward, leave running statistics as they were."""
        before = [buffer.clone() for buffer in self.buffers()]
        yield
        for buffer, value in zip(self.buffers(), before, strict=True):
            buffer.copy_(value)

    def layers(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of every layer that has some of its own, by its name."""
        found = {name: list(module.parameters(recurse=False)) for name, module in self.named_modules()}
        return {name.replace(".hung", ""): parameters for name, parameters in found.items() if parameters}

    def layer_norms(self) -> dict[str, Tensor]:
        """The norm (R,) of the parameters of each layer."""
        return {name: norm(parameters) for name, parameters in self.layers().items()}

    def norm(self) -> Tensor:
        """The parameter norm (R,): square root of the sum of squares over all weights, as they act, and biases.

        Scales and shifts of normalizations are left out: they start at one and have no counterpart without them.
        """
        return norm([parameter for layer in self.weighted for parameter in (layer.effective(), layer.bias)])


def norm(parameters: Iterable[Tensor]) -> Tensor:
    """Square root of the sum of squares over parameters (R, ...): (R,).

    Summed and square-rooted in float64, because MKL's float32 square root depends on the processor and on the place in
    the tensor.
    """
    squares = [p.detach().square().flatten(1).sum(1).double() for p in parameters]
    return torch.stack(squares).sum(0).sqrt().float()


def copy_replicas(source: Mapping[str, Tensor], target: Mapping[str, Tensor], chosen: Tensor) -> None:
    """Copy the weights of the replicas ``chosen`` (R,) from one state dict to another, in place."""
    for name, value in source.items():
        target[name].copy_(value.where(chosen.view(-1, *[1] * (value.dim() - 1)), target[name]))
