"""Exponential moving average of weights: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging",
1992."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.average import Average, AverageWork
from stages.regularizers.base import Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class EMAWork(AverageWork):
    def newest(self, step: Step) -> Tensor:
        decay = self.each("decay").double()
        return (1 - decay) / (1 - decay ** (step.t + 1))


class EMA(Average):
    """Measures and saves the average of the weights after all steps, those of n steps ago weighted by decay^n.

    The weights sum to one, as in Adam, so that the initial weights have no part. Running statistics of batch
    normalization are averaged alike. Training itself is not changed.
    """

    key: ClassVar[str] = "ema"
    title: ClassVar[str] = "Exponential moving average"
    paper: ClassVar[str] = "Polyak and Juditsky 1992, https://doi.org/10.1137/0330046"
    search: ClassVar[dict[str, Search]] = {"decay": Search(0.8, 0.999)}
    differ: ClassVar[frozenset[str]] = frozenset({"decay"})
    work: ClassVar[type[Work]] = EMAWork

    decay: float = Field(ge=0, lt=1)
