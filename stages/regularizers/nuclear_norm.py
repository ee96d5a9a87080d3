"""Nuclear norm penalty: Fazel, Hindi and Boyd, "A Rank Minimization Heuristic", 2001."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Work
from stages.regularizers.penalty import Penalty, WeightPenaltyWork

if TYPE_CHECKING:
    from torch import Tensor


class NuclearNormWork(WeightPenaltyWork):
    def of(self, weight: Tensor) -> Tensor:
        from stages.networks.matrices import polar

        return (weight.double() * polar(weight)).flatten(1).sum(1).float()


class NuclearNorm(Penalty):
    """Adds ``strength`` times the sum of all singular values of each layer's weights to the loss; biases are free.

    A convolution's kernels are a matrix (outputs, inputs * height * width). The gradient is U V' of the decomposition
    U S V', by iteration in float64: singular values below some 1e-4 of the Frobenius norm count less.
    """

    key: ClassVar[str] = "nuclear_norm"
    title: ClassVar[str] = "Nuclear norm penalty"
    paper: ClassVar[str] = "Fazel et al. 2001, https://doi.org/10.1109/ACC.2001.945730"
    work: ClassVar[type[Work]] = NuclearNormWork
