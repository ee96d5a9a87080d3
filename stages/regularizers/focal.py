"""Focal loss: Lin et al., "Focal Loss for Dense Object Detection", 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-12
"""Of 1 - p, whose powers below the first have no slope at zero."""


class FocalWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        doubt = (-log_p.expm1()).clamp(min=LEAST)
        return -(doubt ** self.each("gamma").double()[:, None, None]) * log_p


class Focal(Criterion):
    """The cross-entropy -log p of the label's probability p times (1 - p)^gamma: what is learnt weighs little.

    For several classes, without the paper's weights of classes.
    """

    key: ClassVar[str] = "focal"
    title: ClassVar[str] = "Focal loss"
    paper: ClassVar[str] = "Lin et al. 2017, https://arxiv.org/abs/1708.02002"
    search: ClassVar[dict[str, Search]] = {"gamma": Search(0, 5)}
    differ: ClassVar[frozenset[str]] = frozenset({"gamma"})
    work: ClassVar[type[Work]] = FocalWork

    gamma: float = Field(ge=0)
