"""Soft orthogonality: Bansal et al., "Can We Gain More from Orthogonality Regularizations", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Search, Work
from stages.regularizers.penalty import Penalty, WeightPenaltyWork

if TYPE_CHECKING:
    from torch import Tensor


class SoftOrthogonalityWork(WeightPenaltyWork):
    def of(self, weight: Tensor) -> Tensor:
        import torch

        from stages.networks.matrices import gram

        products = gram(weight)
        return (products - torch.eye(products.shape[1], device=products.device)).square().flatten(1).sum(1)


class SoftOrthogonality(Penalty):
    """Adds ``strength`` times ||W W' - I||_F^2 of each layer's weights to the loss; biases are free.

    W has a row for each output, a convolution's kernels are a matrix (outputs, inputs * height * width). Where it has
    more rows than columns, W'W takes the place of W W', and the penalty is zero for orthonormal columns.
    """

    key: ClassVar[str] = "soft_orthogonality"
    title: ClassVar[str] = "Soft orthogonality"
    paper: ClassVar[str] = "Bansal et al. 2018, https://arxiv.org/abs/1810.09102"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-6, 1e-1, "log")}
    work: ClassVar[type[Work]] = SoftOrthogonalityWork
