"""L1 penalty, the lasso: Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Search, Work
from stages.regularizers.penalty import Penalty, PenaltyWork

if TYPE_CHECKING:
    from torch import Tensor


class L1Work(PenaltyWork):
    def of(self, parameter: Tensor) -> Tensor:
        return parameter.abs()


class L1(Penalty):
    """Adds ``strength`` times the sum of absolute values of all parameters to the loss.

    Plain subgradient steps, as in the course notebook: weights become small, but hardly ever exactly zero.
    """

    key: ClassVar[str] = "l1"
    title: ClassVar[str] = "L1 penalty"
    paper: ClassVar[str] = "Tibshirani 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-6, 1e-2, "log")}
    work: ClassVar[type[Work]] = L1Work
