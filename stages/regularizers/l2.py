"""L2 penalty, ridge regression: Hoerl and Kennard, "Ridge Regression", 1970."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Work
from stages.regularizers.penalty import Penalty, PenaltyWork

if TYPE_CHECKING:
    from torch import Tensor


class L2Work(PenaltyWork):
    def of(self, parameter: Tensor) -> Tensor:
        return parameter.square()


class L2(Penalty):
    """Adds ``strength`` times the sum of squares of all parameters to the loss.

    There is no factor of one half: under plain SGD it equals ``weight_decay`` of twice the strength.
    """

    key: ClassVar[str] = "l2"
    title: ClassVar[str] = "L2 penalty"
    paper: ClassVar[str] = "Hoerl and Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634"
    work: ClassVar[type[Work]] = L2Work
