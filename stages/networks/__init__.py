"""The networks by their names in ``params.yaml``. Importing this does not import torch.

A stack holds R networks of one architecture: every parameter has a leading dimension R, and no operation mixes
replicas. `stages/README.md` explains why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

    from stages.networks.network import Network


@dataclass(frozen=True)
class Architecture:
    """A network's shape apart from the data."""

    kind: Literal["mlp", "cnn", "resnet"]
    hidden: tuple[int, ...]
    """Units of the hidden layers, or channels of the convolutions."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    dropout: tuple[float, ...] = ()
    """The probability in each hidden layer, before its activation; none if empty."""

    def scaled(self, width: float) -> Architecture:
        """The same with so many times the hidden units or channels, at least one in each layer."""
        return replace(self, hidden=tuple(max(1, round(width * units)) for units in self.hidden))

    def stack(self, replicas: int, image_shape: tuple[int, ...], classes: int, device: torch.device) -> Network:
        """R networks for images (C, H, W), weights not yet drawn."""
        from importlib import import_module

        build = import_module(f"stages.networks.{self.kind}").build
        network: Network = build(self, replicas, image_shape, classes, device)
        return network


NETWORKS: dict[str, Architecture] = {
    "AnimalNet": Architecture("mlp", (128, 32)),
    "BigAnimalNet": Architecture("mlp", (124, 64), "leaky_relu"),
    "AnimalNetDropout": Architecture("mlp", (248, 210), "leaky_relu", (0.5, 0.3)),
    "SmallConvNet": Architecture("cnn", (16, 32)),
    "SmallResNet": Architecture("resnet", (16, 16, 32)),
}
"""The course notebook's networks, which end in log-softmax there and in logits here; a small
convolutional and a small residual network."""


def parameter_count(name: str, image_shape: tuple[int, ...], classes: int, width: float = 1.0) -> int:
    """Weights and biases of one replica of a network in ``NETWORKS``, scaled to a width, for images (C, H, W)."""
    import torch

    stack = NETWORKS[name].scaled(width).stack(1, image_shape, classes, torch.device("meta"))
    return sum(p.numel() for p in stack.parameters())
