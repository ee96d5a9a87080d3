"""Multilayer perceptrons over flattened images, their layers named as in the course notebook: fc1, fc2, fc3."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

from stages.networks import Architecture
from stages.networks.layers import Activation, Flatten, Linear, Place
from stages.networks.network import Network


def build(
    architecture: Architecture, replicas: int, shape: tuple[int, ...], classes: int, device: torch.device
) -> Network:
    """Each hidden layer is linear, then what methods insert there, then the activation."""
    layers: dict[str, nn.Module] = {"input": Place("input", shape[0]), "flatten": Flatten()}
    sizes = [math.prod(shape), *architecture.hidden]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers |= {
            f"fc{number}": Linear(replicas, inputs, outputs, device),
            f"norm{number}": Place("norm", outputs),
            f"drop{number}": Place("drop", outputs),
            f"activation{number}": Activation(architecture.activation),
        }
    layers[f"fc{len(sizes)}"] = Linear(replicas, sizes[-1], classes, device)
    return Network(replicas, layers, architecture.dropout, device)
