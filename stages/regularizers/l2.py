"""L2 penalty, ridge regression: Hoerl and Kennard, "Ridge Regression", 1970."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Tensor


class L2(Regularizer):
    """Adds ``strength`` times the sum of squares of all parameters to the loss.

    There is no factor of one half: under plain SGD it equals ``weight_decay`` of twice the strength.
    """

    title: ClassVar[str] = "L2 penalty"
    paper: ClassVar[str] = "Hoerl and Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634"

    strength: float = Field(ge=0)

    def penalty(self, parameters: Sequence[Tensor]) -> Tensor:
        total = parameters[0].new_zeros(len(parameters[0]))
        for p in parameters:
            total = total + p.square().flatten(1).sum(1)
        return self.strength * total
