"""L1 penalty, the lasso: Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Tensor


class L1(Regularizer):
    """Adds ``strength`` times the sum of absolute values of all parameters to the loss.

    Plain subgradient steps, as in the seed notebook: weights become small, but hardly ever exactly zero.
    """

    title: ClassVar[str] = "L1 penalty"
    paper: ClassVar[str] = "Tibshirani 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x"

    strength: float = Field(ge=0)

    def penalty(self, parameters: Sequence[Tensor]) -> Tensor:
        total = parameters[0].new_zeros(len(parameters[0]))
        for p in parameters:
            total = total + p.abs().flatten(1).sum(1)
        return self.strength * total
