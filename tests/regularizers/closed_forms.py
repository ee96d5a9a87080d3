"""What tests of methods share that have a closed form on a linear network: stacks whose replicas are all that may be
drawn, and networks of a test's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from stages.networks.layers import Conv2d, Flatten, Linear, Place
from stages.networks.network import Network
from stages.regularizers import REGULARIZERS
from stages.regularizers.base import Step, Work
from stages.streams import Streams
from tests.training.conftest import CPU, Methods, Settings, run, same

PIXELS = (1, 2, 3)
"""The shape of an image of six numbers."""


class Scripted(Streams):
    """Draws that a test has chosen: the same for every purpose, each replica its own."""

    def __init__(self, draws: Tensor):
        super().__init__(range(len(draws)), CPU)
        self.draws = draws

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return self.draws.view(-1, *shape)

    normal = uniform


def masks(n: int, p: float) -> tuple[Tensor, Tensor]:
    """All 2^n outcomes of n things that fall out with probability p: draws (2^n, n) that lead there, and how probable
    each outcome is."""
    kept = torch.tensor(list(product([0.0, 1.0], repeat=n)))
    return kept, torch.where(kept > 0, 1 - p, p).double().prod(1)


def directions(n: int) -> Tensor:
    """2 n vectors of n numbers with mean 0 and covariance 1: the mean of a quadratic over them is that over normal
    draws."""
    eye = torch.eye(n) * n**0.5
    return torch.cat([eye, -eye])


def work(key: str, *values: dict[str, Any]) -> Work:
    """A method at work on a stack, with values for each replica."""
    kind = REGULARIZERS[key]
    return kind.work([kind(**each) for each in values], CPU)


def linear(replicas: int, outputs: int, place: str = "input", **methods: dict[str, Any]) -> Network:
    """Linear maps of images of six numbers, the same for all replicas, with methods hung at a place before."""
    layers = {"flatten": Flatten(), "place": Place(place, 6), "fc": Linear(replicas, 6, outputs, CPU)}
    network = Network(replicas, layers, (), CPU)
    for key, values in methods.items():
        work(key, *[values] * replicas).build(network)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.weighted[0].parameters(recurse=False):
            parameter.copy_(torch.randn(parameter.shape[1:], generator=generator))
    return network


def scripted(network: Network, draws: Tensor) -> None:
    """Let what hangs in a network draw what a test has chosen."""
    for module in network.modules():
        if hasattr(module, "streams"):
            module.streams = Scripted(draws)


def squared_losses(network: Network, x: Tensor, y: Tensor) -> Tensor:
    """Sum of squared errors (R,) in float64 on one image and its target, the same for all replicas."""
    out = network(x.expand(network.replicas, 1, *PIXELS))
    return (out[:, 0].double() - y).square().sum(1).detach()


def with_weights(*weights: Tensor) -> Network:
    """A network whose layers, linear maps or convolutions, have these weights (R, outputs, ...), and biases of 5."""
    layers: dict[str, nn.Module] = {}
    for number, weight in enumerate(weights):
        replicas, outputs, inputs, *kernel = weight.shape
        layer = Conv2d(replicas, inputs, outputs, kernel[0], CPU) if kernel else Linear(replicas, inputs, outputs, CPU)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.fill_(5)
        layers[f"layer{number}"] = layer
    return Network(len(weights[0]), layers, (), CPU)


def step(network: Network, t: int = 0, streams: Streams | None = None) -> Step:
    """A step on no images at all."""
    x, y = torch.zeros(network.replicas, 1, *PIXELS), torch.zeros(network.replicas, 1, 2)
    streams = streams or Streams(range(network.replicas), CPU)
    return Step(x, y, torch.zeros(network.replicas, 1).long(), t, 10, network, streams, 1)


def penalty(key: str, network: Network, strengths: Sequence[float], steps: int = 1) -> Tensor:
    """What a penalty adds to a loss of zero (R,); gradients are left at the parameters."""
    method, now = work(key, *({"strength": strength} for strength in strengths)), step(network)
    for _ in range(steps):
        method.batch(now)
    loss = method.loss(now, torch.zeros(network.replicas))
    network.zero_grad()
    loss.sum().backward()
    return loss.detach()


def idle(settings: Settings, network: str, methods: Methods) -> bool:
    """Whether training with methods is the plain training to the bit."""
    chosen = settings(network=network, epochs=4, batch_size=7)
    return same(run(chosen, [0, 1]), run(chosen, [0, 1], **methods))
