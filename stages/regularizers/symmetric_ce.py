"""Symmetric cross-entropy: Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor

LOG_ZERO = -4
"""What stands for the logarithm of zero, as in the paper."""


class SymmetricCEWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        alpha, beta = (self.each(field).double()[:, None, None] for field in ("alpha", "beta"))
        return beta * LOG_ZERO * log_p.expm1() - alpha * log_p


class SymmetricCE(Criterion):
    """``alpha`` times the cross-entropy plus ``beta`` times the reverse one, -sum p log y.

    With -4 for log 0 the reverse one is 4 (1 - p) of the label's probability p; of mixed targets each label's loss is
    weighted by its share.
    """

    key: ClassVar[str] = "symmetric_ce"
    title: ClassVar[str] = "Symmetric cross-entropy"
    paper: ClassVar[str] = "Wang et al. 2019, https://arxiv.org/abs/1908.06112"
    search: ClassVar[dict[str, Search]] = {"alpha": Search(0.01, 10, "log"), "beta": Search(0.1, 10, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"alpha", "beta"})
    work: ClassVar[type[Work]] = SymmetricCEWork

    alpha: float = Field(ge=0)
    beta: float = Field(ge=0)
