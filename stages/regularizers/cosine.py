"""Cosine schedule: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017."""

from __future__ import annotations

import math
from typing import ClassVar

from stages.regularizers.base import Regularizer, Work


class CosineWork(Work):
    def schedule(self, t: int, total: int) -> float:
        return (1 + math.cos(math.pi * t / total)) / 2


class Cosine(Regularizer):
    """Lowers the learning rate from step to step along half a cosine, to zero after the last; without restarts.

    Over a training it sums up to half of what a constant rate does, and half a step.
    """

    key: ClassVar[str] = "cosine"
    title: ClassVar[str] = "Cosine schedule"
    paper: ClassVar[str] = "Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983"
    acts_on: ClassVar[str] = "weights"
    work: ClassVar[type[Work]] = CosineWork
