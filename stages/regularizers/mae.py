"""Mean absolute error: Ghosh, Kumar and Sastry, "Robust Loss Functions under Label Noise for Deep Neural Networks",
2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor


class MAEWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        return -log_p.expm1()


class MAE(Criterion):
    """The loss 1 - p of the label's probability p, half of the sum of absolute differences to the one-hot target.

    Summed over all labels it is the same whatever the network says, so uniform label noise only rescales its mean.
    """

    key: ClassVar[str] = "mae"
    title: ClassVar[str] = "Mean absolute error"
    paper: ClassVar[str] = "Ghosh, Kumar and Sastry 2017, https://arxiv.org/abs/1712.09482"
    work: ClassVar[type[Work]] = MAEWork
