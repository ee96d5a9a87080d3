"""What tests of single methods share: plain PyTorch training to hold them to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.config import Training
from stages.networks import NETWORKS
from stages.networks.layers import Weighted
from stages.regularizers import REGULARIZERS
from stages.regularizers.base import Step, Work
from stages.streams import Streams
from tests.networks.twins import copy, twin
from tests.training.conftest import CLASSES, CPU, SHAPE, examples

SEED = 2021
"""The seed notebook's."""


def work(key: str, *values: dict[str, Any]) -> Work:
    """A method at work on a stack, with values for each replica."""
    kind = REGULARIZERS[key]
    return kind.work([kind(**each) for each in values], CPU)


def step(x: Tensor, y: Tensor, network: nn.Module | None = None, seeds: tuple[int, ...] | None = None) -> Step:
    """A step on images x (R, N, ...) and targets y."""
    streams = Streams(range(len(x)) if seeds is None else seeds, CPU)
    index = torch.arange(x.shape[1]).expand(x.shape[:2])
    return Step(x, y, index, 0, 10, network or nn.Identity(), streams, x.shape[1])  # type: ignore[arg-type]


def notebook_layer(kind: Callable[..., Weighted]) -> Weighted:
    """The course notebook's linear layer of 20 by 20."""
    layer = kind(1, 20, 20, CPU)
    layer.draw(0, torch.Generator().manual_seed(SEED))
    return layer


def plain_end(
    settings: Training,
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor] = lambda model, x, y: F.cross_entropy(model(x), y),
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    norm: bool = False,
    **options: Any,
) -> nn.Module:
    """A plain network after a plain PyTorch loop on all the images of seed 0."""
    stack = NETWORKS[settings.network].stack(1, SHAPE, CLASSES, CPU)
    stack.draw(Streams([0], CPU))
    bare, model = twin(settings.network, SHAPE, CLASSES), twin(settings.network, SHAPE, CLASSES, norm)
    copy(stack, 0, bare)
    for source, target in zip(weighted(bare), weighted(model), strict=True):
        target.load_state_dict(source.state_dict())
    data = examples(0, 24)
    made = optimizer or torch.optim.SGD
    if made is torch.optim.SGD:
        options["momentum"] = settings.momentum
    steps = made(model.parameters(), lr=settings.lr, **options)
    for _ in range(settings.epochs):
        steps.zero_grad()
        loss(model, data.images[0], data.labels[0]).backward()
        steps.step()
    return model


def weighted(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])
