"""Sharpness-aware minimization: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
2021."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along

LEAST = 1e-12
"""Of the gradient's length."""


class SAMWork(Work):
    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        from stages.networks.network import norm

        own = [p for p in step.network.parameters() if p.grad is not None]
        before, slopes = [p.detach().clone() for p in own], [p.grad for p in own]
        rho = self.each("rho")
        factor = rho / norm([s for s in slopes if s is not None]).clamp(min=LEAST)
        for parameter, slope in zip(own, slopes, strict=True):
            assert slope is not None
            parameter.detach().add_(slope * along(factor, slope))
        with step.network.unnoted():
            backward()
        # Copied back, for adding and subtracting rounds.
        for parameter, value, slope in zip(own, before, slopes, strict=True):
            assert parameter.grad is not None
            assert slope is not None
            parameter.detach().copy_(value)
            parameter.grad = parameter.grad.where(along(rho, slope) > 0, slope)


class SAM(Regularizer):
    """Steps by the gradient at w + rho g / ||g||, up the slope g at the weights w, over all parameters.

    Every step takes two passes: noise such as dropout is drawn anew in the second, and running statistics are those of
    the first.
    """

    key: ClassVar[str] = "sam"
    title: ClassVar[str] = "Sharpness-aware minimization"
    paper: ClassVar[str] = "Foret et al. 2021, https://arxiv.org/abs/2010.01412"
    acts_on: ClassVar[str] = "ascent"
    search: ClassVar[dict[str, Search]] = {"rho": Search(0.01, 0.5, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"rho"})
    work: ClassVar[type[Work]] = SAMWork

    rho: float = Field(ge=0)
