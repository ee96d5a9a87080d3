"""Stochastic weight averaging: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.average import Average, AverageWork
from stages.regularizers.base import Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class SWAWork(AverageWork):
    def newest(self, step: Step) -> Tensor:
        skipped = (self.each("start").double() * step.total).round()
        return 1 / (step.t + 1 - skipped).clamp(min=1)


class SWA(Average):
    """Measures and saves the mean of the weights after each step, once the share ``start`` of all steps is taken.

    Until then the weights as they are. Running statistics of batch normalization are averaged with the weights, where
    the paper computes them anew; the learning rate is left as it is. Training itself is not changed.
    """

    key: ClassVar[str] = "swa"
    title: ClassVar[str] = "Stochastic weight averaging"
    paper: ClassVar[str] = "Izmailov et al. 2018, https://arxiv.org/abs/1803.05407"
    search: ClassVar[dict[str, Search]] = {"start": Search(0.5, 0.95)}
    differ: ClassVar[frozenset[str]] = frozenset({"start"})
    work: ClassVar[type[Work]] = SWAWork

    start: float = Field(ge=0, lt=1)
