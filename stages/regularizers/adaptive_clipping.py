"""Adaptive gradient clipping: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization",
2021."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along

if TYPE_CHECKING:
    from torch import Tensor

LEAST, TINY = 1e-3, 1e-6
"""Lengths from which on weights, and gradients, are taken as they are, as in the paper."""


class AdaptiveClippingWork(Work):
    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        output = set(step.network.weighted[-1].parameters(recurse=False))
        for parameter in step.network.parameters():
            if parameter.grad is not None and parameter not in output:
                allowed = _lengths(parameter.detach()).clamp(min=LEAST)
                allowed = allowed * along(self.each("factor"), allowed)
                parameter.grad.mul_((allowed / _lengths(parameter.grad).clamp(min=TINY)).clamp(max=1).float())


class AdaptiveClipping(Regularizer):
    """Shortens the gradient of each unit's weights to ``factor`` times their own length, where it is longer.

    The biases of a layer count as one unit; the output layer is left alone, as in the paper.
    """

    key: ClassVar[str] = "adaptive_clipping"
    title: ClassVar[str] = "Adaptive gradient clipping"
    paper: ClassVar[str] = "Brock et al. 2021, https://arxiv.org/abs/2102.06171"
    acts_on: ClassVar[str] = "gradients"
    search: ClassVar[dict[str, Search]] = {"factor": Search(1e-3, 1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"factor"})
    work: ClassVar[type[Work]] = AdaptiveClippingWork

    factor: float = Field(gt=0)


def _lengths(x: Tensor) -> Tensor:
    """Of each unit's row of weights (R, units, ...), or of biases (R, units) as a whole, in float64."""
    dims = tuple(range(2, x.dim())) or (1,)
    return x.square().sum(dims, keepdim=True).double().sqrt()
