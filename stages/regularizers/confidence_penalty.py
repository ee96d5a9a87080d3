"""Confidence penalty: Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions",
2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, log_softmax

if TYPE_CHECKING:
    from torch import Tensor


class ConfidencePenaltyWork(Work):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        log_p = log_softmax(step.logits).double()
        entropy = -(log_p.exp() * log_p).sum(-1).float()
        return loss - self.each("strength") * entropy.mean(-1)


class ConfidencePenalty(Regularizer):
    """Subtracts ``strength`` times the entropy of the predicted probabilities, in nats, from the loss.

    So it adds that times their divergence from the uniform distribution, KL(p || u), and a constant.
    """

    key: ClassVar[str] = "confidence_penalty"
    title: ClassVar[str] = "Confidence penalty"
    paper: ClassVar[str] = "Pereyra et al. 2017, https://arxiv.org/abs/1701.06548"
    acts_on: ClassVar[str] = "penalty"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-2, 1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})
    work: ClassVar[type[Work]] = ConfidencePenaltyWork

    strength: float = Field(ge=0)
