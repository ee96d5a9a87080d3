"""Steps of SGD, Adam and AdamW for a stack of replicas, whose learning rates and decays may differ.

``torch.optim`` takes one learning rate for all, and rounds a replica depending on its neighbors where its kernels are
fused. These give one replica what torch's plain loops give it, SGD to the bit. As in torch, decay is added to the
gradient, except in AdamW, where the weights shrink by it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stages.regularizers.base import Group, along

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Torch's defaults for Adam and AdamW."""


class Optimizer:
    """Updates parameters (R, ...) by their gradients."""

    def __init__(self, groups: list[Group]):
        self.groups = groups
        self.steps = 0
        self.states: dict[int, dict[str, Tensor]] = {}
        """For each parameter, by its id, running averages of its shape."""

    def zero_grad(self) -> None:
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One step, its learning rates times ``factor``."""
        self.steps += 1
        for group in self.groups:
            lr = group.lr * factor
            for parameter in group.parameters:
                assert parameter.grad is not None
                self.update(parameter, parameter.grad, group, lr)

    def update(self, parameter: Tensor, gradient: Tensor, group: Group, lr: Tensor) -> None:
        """Change one parameter in place, at learning rates lr (R,) in float64."""
        raise NotImplementedError

    def average(self, parameter: Tensor, name: str) -> Tensor:
        """A running average of a parameter's shape, which begins at zero."""
        state = self.states.setdefault(id(parameter), {})
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        return state[name]


class SGD(Optimizer):
    """Gradient descent with momentum: the buffer is momentum times itself plus the gradient."""

    def update(self, parameter: Tensor, gradient: Tensor, group: Group, lr: Tensor) -> None:
        buffer = self.average(parameter, "momentum")
        buffer.mul_(along(group.momentum, parameter)).add_(decayed(parameter, gradient, group))
        parameter.addcmul_(buffer, along(lr, parameter), value=-1)


class Adam(Optimizer):
    """Kingma and Ba 2015, https://arxiv.org/abs/1412.6980."""

    def update(self, parameter: Tensor, gradient: Tensor, group: Group, lr: Tensor) -> None:
        self.move(parameter, decayed(parameter, gradient, group), lr)

    def move(self, parameter: Tensor, gradient: Tensor, lr: Tensor) -> None:
        mean, square = self.average(parameter, "mean"), self.average(parameter, "square")
        mean.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        # MKL's root of float32 depends on the processor; that of float64, rounded, does not.
        root = square.double().sqrt_().float() / (1 - BETAS[1] ** self.steps) ** 0.5
        step = along(-lr / (1 - BETAS[0] ** self.steps), parameter)
        parameter.addcdiv_(mean * step, root.add_(EPSILON))


class AdamW(Adam):
    """Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101: the weights shrink by lr times the decay."""

    def update(self, parameter: Tensor, gradient: Tensor, group: Group, lr: Tensor) -> None:
        parameter.mul_(along(1 - lr * group.weight_decay.double(), parameter))
        self.move(parameter, gradient, lr)


OPTIMIZERS: dict[str, Callable[[list[Group]], Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def decayed(parameter: Tensor, gradient: Tensor, group: Group) -> Tensor:
    """The gradient plus the decay times the parameter."""
    if not group.decays:
        return gradient  # a pass over memory less
    return gradient.addcmul(parameter, along(group.weight_decay, parameter))
