"""Small residual networks: He et al., "Deep Residual Learning for Image Recognition", 2015,
https://arxiv.org/abs/1512.03385, without the normalization, which is a method here."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from stages.networks import Architecture
from stages.networks.layers import Activation, Conv2d, GlobalMeanPool, Linear, Place, Residual
from stages.networks.network import Network


def build(
    architecture: Architecture, replicas: int, shape: tuple[int, ...], classes: int, device: torch.device
) -> Network:
    """A convolution, a residual block for each further number of channels (half the size where they grow), a mean over
    all places and a linear layer."""

    def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
        return nn.Sequential(Conv2d(replicas, inputs, outputs, kernel, device, stride), Place("norm", outputs))

    def activated(units: int) -> nn.Sequential:
        return nn.Sequential(Place("drop", units), Activation(architecture.activation))

    stem, *blocks = architecture.hidden
    layers: dict[str, nn.Module] = {
        "input": Place("input", shape[0]),
        "stem": convolution(shape[0], stem),
        "activation": activated(stem),
    }
    for number, (inputs, outputs) in enumerate(pairwise([stem, *blocks]), start=1):
        stride = 1 if inputs == outputs else 2
        branch = nn.Sequential(
            convolution(inputs, outputs, stride=stride),
            activated(outputs),
            convolution(outputs, outputs),
            Place("branch", outputs),
        )
        shortcut = None if inputs == outputs else convolution(inputs, outputs, kernel=1, stride=stride)
        layers |= {f"block{number}": Residual(branch, shortcut), f"activation{number}": activated(outputs)}
    layers |= {"pool": GlobalMeanPool(), "fc": Linear(replicas, architecture.hidden[-1], classes, device)}
    return Network(replicas, layers, architecture.dropout, device)
