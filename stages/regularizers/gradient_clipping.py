"""Gradient clipping: Pascanu, Mikolov and Bengio, "On the Difficulty of Training Recurrent Neural Networks", 2013."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along


class GradientClippingWork(Work):
    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        from stages.networks.network import norm

        slopes = [p.grad for p in step.network.parameters() if p.grad is not None]
        factor = (self.each("norm") / norm(slopes)).clamp(max=1)
        for slope in slopes:
            slope.mul_(along(factor, slope))


class GradientClipping(Regularizer):
    """Shortens the gradient over all parameters to length ``norm`` where it is longer, and keeps its direction."""

    key: ClassVar[str] = "gradient_clipping"
    title: ClassVar[str] = "Gradient clipping"
    paper: ClassVar[str] = "Pascanu, Mikolov and Bengio 2013, https://arxiv.org/abs/1211.5063"
    acts_on: ClassVar[str] = "gradients"
    search: ClassVar[dict[str, Search]] = {"norm": Search(0.1, 10, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"norm"})
    work: ClassVar[type[Work]] = GradientClippingWork

    norm: float = Field(gt=0)
