"""Penalty on the loss's gradient: Barrett and Dherin, "Implicit Gradient Regularization", 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class GradientPenaltyWork(Work):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        import torch

        # The sum over replicas gives each replica the gradient of its own loss.
        slopes = torch.autograd.grad(loss.sum(), list(step.network.parameters()), create_graph=True)
        return loss + self.each("strength") / 2 * sum(slope.square().flatten(1).sum(1) for slope in slopes)


class GradientPenalty(Regularizer):
    """Adds ``strength`` / 2 times ||g||^2 to the loss, where g is its gradient by all parameters, penalties and all.

    Steps of size h of plain gradient descent follow, up to second order, the loss with a penalty of strength h / 2.
    """

    key: ClassVar[str] = "gradient_penalty"
    title: ClassVar[str] = "Gradient penalty"
    paper: ClassVar[str] = "Barrett and Dherin 2021, https://arxiv.org/abs/2009.11162"
    acts_on: ClassVar[str] = "total"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-3, 1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})
    work: ClassVar[type[Work]] = GradientPenaltyWork

    strength: float = Field(ge=0)
