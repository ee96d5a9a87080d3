"""Small convolutional networks: convolutions of 3 by 3 that each halve the picture, and a linear layer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from stages.networks import Architecture
from stages.networks.layers import Activation, Conv2d, Flatten, Linear, MaxPool, Place
from stages.networks.network import Network


def build(
    architecture: Architecture, replicas: int, shape: tuple[int, ...], classes: int, device: torch.device
) -> Network:
    """Images of at least 2 ** (number of convolutions) pixels a side."""
    channels, height, width = shape
    layers: dict[str, nn.Module] = {"input": Place("input", channels)}
    for number, (inputs, outputs) in enumerate(pairwise([channels, *architecture.hidden]), start=1):
        layers |= {
            f"conv{number}": Conv2d(replicas, inputs, outputs, 3, device),
            f"norm{number}": Place("norm", outputs),
            f"drop{number}": Place("drop", outputs),
            f"activation{number}": Activation(architecture.activation),
            f"pool{number}": MaxPool(2),
        }
        height, width = height // 2, width // 2
    layers |= {"flatten": Flatten(), "fc": Linear(replicas, architecture.hidden[-1] * height * width, classes, device)}
    return Network(replicas, layers, architecture.dropout, device)
