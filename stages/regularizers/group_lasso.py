"""Group lasso: Yuan and Lin, "Model Selection and Estimation in Regression with Grouped Variables", 2006."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Work
from stages.regularizers.penalty import Penalty, WeightPenaltyWork

if TYPE_CHECKING:
    from torch import Tensor


class GroupLassoWork(WeightPenaltyWork):
    def of(self, weight: Tensor) -> Tensor:
        from stages.networks.matrices import norms

        root_of_size: float = weight[0, 0].numel() ** 0.5
        return root_of_size * norms(weight).sum(1).float()


class GroupLasso(Penalty):
    """Adds ``strength`` times the sum over units of sqrt(d) ||w||, w the d weights that lead to the unit, to the loss.

    A unit is an output of a linear map or an output channel of a convolution, with its kernels for all input channels;
    biases are in no group. Plain subgradient steps, zero at zero: units become small together, but hardly ever
    exactly zero.
    """

    key: ClassVar[str] = "group_lasso"
    title: ClassVar[str] = "Group lasso"
    paper: ClassVar[str] = "Yuan and Lin 2006, https://doi.org/10.1111/j.1467-9868.2005.00532.x"
    work: ClassVar[type[Work]] = GroupLassoWork
