"""One-cycle schedule: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
Rates", 2018."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

FIRST, LAST = 1 / 25, 1 / 250_000
"""The first and the last rate as shares of the highest, as torch has them."""


class OneCycleWork(Work):
    def schedule(self, t: int, total: int) -> float:
        top = max(self.shared("rise") * total - 1, 0)
        if t <= top:
            return 1 - (1 - FIRST) * (1 + math.cos(math.pi * t / top)) / 2 if top else 1.0
        return LAST + (1 - LAST) * (1 + math.cos(math.pi * (t - top) / (total - 1 - top))) / 2


class OneCycle(Regularizer):
    """Raises the learning rate to the given one in the share ``rise`` of the training, then lowers it almost to zero.

    From a 25th, along half cosines, as ``torch.optim.lr_scheduler.OneCycleLR`` has it; the momentum stays.
    """

    key: ClassVar[str] = "one_cycle"
    title: ClassVar[str] = "One-cycle schedule"
    paper: ClassVar[str] = "Smith and Topin 2018, https://arxiv.org/abs/1708.07120"
    acts_on: ClassVar[str] = "weights"
    search: ClassVar[dict[str, Search]] = {"rise": Search(0.1, 0.5)}
    work: ClassVar[type[Work]] = OneCycleWork

    rise: float = Field(gt=0, lt=1)
