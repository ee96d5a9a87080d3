"""Max-norm: Srebro, Rennie and Jaakkola, "Maximum-Margin Matrix Factorization", 2004; for units Srivastava 2014."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work


class MaxNormWork(Work):
    def updated(self, step: Step) -> None:
        import torch

        from stages.networks.matrices import norms

        with torch.no_grad():
            for layer in step.network.weighted:
                factors = (self.each("limit")[:, None] / norms(layer.weight)).clamp(max=1).float()
                layer.weight.mul_(factors.view(*factors.shape, *[1] * (layer.weight.dim() - 2)))


class MaxNorm(Regularizer):
    """After each step, scales the weights that lead to a unit down to the norm ``limit`` if they are longer.

    A unit is an output of a linear map, the last layer's too, or an output channel of a convolution with its kernels
    for all input channels; biases are free.
    """

    key: ClassVar[str] = "max_norm"
    title: ClassVar[str] = "Max-norm constraint"
    paper: ClassVar[str] = "Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html"
    acts_on: ClassVar[str] = "weights"
    search: ClassVar[dict[str, Search]] = {"limit": Search(0.5, 8, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"limit"})
    work: ClassVar[type[Work]] = MaxNormWork

    limit: float = Field(gt=0)
