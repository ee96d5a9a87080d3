"""What penalties on the parameters share; not a method by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class Penalty(Regularizer):
    acts_on: ClassVar[str] = "penalty"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-5, 1e-1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})

    strength: float = Field(ge=0)


class PenaltyWork(Work):
    """Adds ``strength`` times the sum of `of` over all parameters to the loss."""

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        total = sum(self.of(p).flatten(1).sum(1) for p in step.network.parameters())
        return loss + self.each("strength") * total

    def of(self, parameter: Tensor) -> Tensor:
        """What each number of a parameter costs."""
        raise NotImplementedError


class WeightPenaltyWork(Work):
    """Adds ``strength`` times the sum of `of` over the weights of all linear maps and convolutions to the loss."""

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        total = sum(self.of(layer.weight) for layer in step.network.weighted)
        return loss + self.each("strength") * total

    def of(self, weight: Tensor) -> Tensor:
        """What a weight (R, outputs, ...) costs: (R,)."""
        raise NotImplementedError
