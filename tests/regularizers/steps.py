"""Single hooks and single steps of methods, to hold them to closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.networks.layers import Flatten, Linear, Place
from stages.networks.network import Network
from stages.regularizers import REGULARIZERS
from stages.regularizers.base import ORDER, Group, Step, Work
from stages.streams import Streams
from stages.training.loop import take
from stages.training.steps import SGD
from tests.training.conftest import CPU


def work(key: str, *values: dict[str, Any]) -> Work:
    """A method at work on a stack, with values for each replica."""
    kind = REGULARIZERS[key]
    return kind.work([kind(**each) for each in values], CPU)


def linear(replicas: int, inputs: int, classes: int) -> Network:
    """A stack of linear maps of images (1, 1, inputs)."""
    layers = {"input": Place("input", 1), "flatten": Flatten(), "fc": Linear(replicas, inputs, classes, CPU)}
    network = Network(replicas, layers, (), CPU)
    network.draw(Streams(range(replicas), CPU))
    return network


def some(replicas: int, n: int, inputs: int, classes: int) -> tuple[Tensor, Tensor]:
    """Images (R, n, 1, 1, inputs) and one-hot targets."""
    generator = torch.Generator().manual_seed(5)
    x = 2 * torch.rand(replicas, n, 1, 1, inputs, generator=generator) - 1
    labels = torch.randint(classes, (replicas, n), generator=generator)
    return x, F.one_hot(labels, classes).float()


def step(x: Tensor, y: Tensor, t: int = 0, total: int = 10) -> Step:
    """A step on images x (R, N, ...) and targets y, the whole of the training images; of no network yet."""
    index = torch.arange(x.shape[1]).expand(x.shape[:2])
    streams = Streams(range(len(x)), CPU)
    return Step(x, y, index, t, total, nn.Identity(), streams, images=x.shape[1])  # type: ignore[arg-type]


def taken(network: Network, now: Step, *works: Work, lr: float = 0.0) -> Step:
    """One step of the loop by plain SGD; gradients are left where it leaves them."""
    now.network = network
    rates = torch.full((network.replicas,), lr)
    ordered = sorted(works, key=lambda work: (ORDER.index(work.specs[0].acts_on), work.specs[0].key))
    take(now, ordered, SGD([Group(list(network.parameters()), rates, 0 * rates, 0 * rates)]))
    return now


def gradient(network: Network) -> Tensor:
    """Of all parameters: (R, parameters)."""
    parts = []
    for parameter in network.parameters():
        assert parameter.grad is not None
        parts.append(parameter.grad.flatten(1).clone())
    return torch.cat(parts, 1)


def ce(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy (R,)."""
    return -(y * logits.log_softmax(-1)).sum(-1).mean(-1)


def loss(key: str, logits: Tensor, y: Tensor, *values: dict[str, Any]) -> Tensor:
    """What a method makes of the cross-entropy of logits (R, N, classes): (R,)."""
    now = step(logits.detach()[..., None, None], y)
    now.logits = logits
    return work(key, *values or [{}] * len(logits)).loss(now, ce(logits, y))


def each_label(of: Callable[[Tensor], Tensor], n: int, classes: int) -> Tensor:
    """A loss of targets (1, n, classes) for each label in turn, all images having the same: (classes,)."""
    eye = torch.eye(classes)
    return torch.stack([of(label.expand(1, n, classes))[0] for label in eye])


def some_logits(replicas: int, n: int, classes: int) -> tuple[Tensor, Tensor]:
    """Logits in float32 that ask for a gradient, and one-hot targets."""
    generator = torch.Generator().manual_seed(7)
    logits = 3 * torch.randn(replicas, n, classes, generator=generator)
    labels = torch.randint(classes, (replicas, n), generator=generator)
    return logits.requires_grad_(), F.one_hot(labels, classes).float()


def slope(value: Tensor, by: Tensor) -> Tensor:
    return torch.autograd.grad(value.sum(), by, retain_graph=True)[0]


class Fixed(Streams):
    """Streams whose uniform draws are given."""

    def __init__(self, draws: Tensor):
        super().__init__(range(len(draws)), CPU)
        self.draws = draws

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        return self.draws.expand(len(self.draws), *shape)
