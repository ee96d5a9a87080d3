"""Normalized cross-entropy with the reverse one: Ma et al., "Normalized Loss Functions for Deep Learning with Noisy
Labels", 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor

LOG_ZERO = -4
"""What stands for the logarithm of zero, as in the paper on symmetric cross-entropy."""


class NormalizedCEWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        alpha, beta = (self.each(field).double()[:, None, None] for field in ("alpha", "beta"))
        return alpha * log_p / log_p.sum(-1, keepdim=True) + beta * LOG_ZERO * log_p.expm1()


class NormalizedCE(Criterion):
    """``alpha`` times log p_y / sum over k of log p_k, plus ``beta`` times the reverse cross-entropy, 4 (1 - p_y).

    Summed over all labels both are constant, so uniform label noise only rescales their mean.
    """

    key: ClassVar[str] = "normalized_ce"
    title: ClassVar[str] = "Normalized cross-entropy"
    paper: ClassVar[str] = "Ma et al. 2020, https://arxiv.org/abs/2006.13554"
    search: ClassVar[dict[str, Search]] = {"alpha": Search(0.1, 10, "log"), "beta": Search(0.1, 10, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"alpha", "beta"})
    work: ClassVar[type[Work]] = NormalizedCEWork

    alpha: float = Field(ge=0)
    beta: float = Field(ge=0)
