"""Early-learning regularization: Liu et al., "Early-Learning Regularization Prevents Memorization of Noisy Labels",
2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, log_softmax

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-4
"""Of p and 1 - p, as in the authors' code: the loss has no lower bound without it."""


class ELRWork(Work):
    memory: Tensor | None = None
    """What was predicted for each image of each replica: (R, images, classes)."""
    remembered = -1
    """The newest step that memory knows of."""

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        import torch

        assert step.logits is not None
        p = log_softmax(step.logits).double().exp().clamp(LEAST, 1 - LEAST)
        if self.memory is None:
            self.memory = p.new_zeros(len(p), step.images, p.shape[-1])
        here = torch.arange(len(p), device=p.device)[:, None], step.index
        if step.t != self.remembered:  # a second pass of a step adds nothing
            beta, now = self.each("beta").double()[:, None, None], p.detach()
            self.memory[here] = beta * self.memory[here] + (1 - beta) * now / now.sum(-1, keepdim=True)
            self.remembered = step.t
        agreement = (self.memory[here] * p).sum(-1)
        return loss + self.each("strength") * (1 - agreement).log().float().mean(-1)


class ELR(Regularizer):
    """Adds ``strength`` times the mean of log(1 - <t, p>), where t is a running average of each image's p over epochs.

    t <- beta t + (1 - beta) p, from zero, before it is used; no gradient goes through t. So what was predicted early,
    before wrong labels are memorized, is kept.
    """

    key: ClassVar[str] = "elr"
    title: ClassVar[str] = "Early-learning regularization"
    paper: ClassVar[str] = "Liu et al. 2020, https://arxiv.org/abs/2007.00151"
    acts_on: ClassVar[str] = "penalty"
    search: ClassVar[dict[str, Search]] = {"strength": Search(0.1, 10, "log"), "beta": Search(0.5, 0.99)}
    differ: ClassVar[frozenset[str]] = frozenset({"strength", "beta"})
    work: ClassVar[type[Work]] = ELRWork

    strength: float = Field(ge=0)
    beta: float = Field(ge=0, lt=1)
