"""Noise on gradients: Neelakantan et al., "Adding Gradient Noise Improves Learning for Very Deep Networks", 2015."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work


class GradientNoiseWork(Work):
    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        sigma = (self.each("eta").double() / (1 + step.t) ** self.shared("gamma")).sqrt().float()
        for number, parameter in enumerate(step.network.parameters()):
            assert parameter.grad is not None
            noise = step.streams.normal(f"gradient_noise.{number}", *parameter.shape[1:])
            parameter.grad.add_(noise * sigma.view(-1, *[1] * (noise.dim() - 1)))


class GradientNoise(Regularizer):
    """Adds a normal draw of variance eta / (1 + t)^gamma to each number of the gradient of step t = 0, 1, ...

    It acts on all parameters, before the optimizer's own decay and momentum.
    """

    key: ClassVar[str] = "gradient_noise"
    title: ClassVar[str] = "Gradient noise"
    paper: ClassVar[str] = "Neelakantan et al. 2015, https://arxiv.org/abs/1511.06807"
    acts_on: ClassVar[str] = "gradients"
    search: ClassVar[dict[str, Search]] = {"eta": Search(1e-2, 1.0, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"eta"})
    work: ClassVar[type[Work]] = GradientNoiseWork

    eta: float = Field(ge=0)
    gamma: float = Field(ge=0, le=10)
