"""Bootstrapping: Reed et al., "Training Deep Neural Networks on Noisy Labels with Bootstrapping", 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Step, Work, log_softmax
from stages.regularizers.criterion import Criterion

if TYPE_CHECKING:
    from torch import Tensor


class BootstrappingWork(Work):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        log_p = log_softmax(step.logits).double()
        own = -log_p.max(-1).values if self.shared("hard") else -(log_p.exp() * log_p).sum(-1)
        beta = self.each("beta")
        return beta * loss + (1 - beta) * own.float().mean(-1)


class Bootstrapping(Criterion):
    """Mixes the target with the network's own prediction: the cross-entropy of beta y + (1 - beta) p.

    If ``hard``, p is the one-hot vector of the likeliest class. As in the paper the gradient goes through p as well, so
    the soft kind is beta times the cross-entropy plus (1 - beta) times the entropy of the prediction.
    """

    key: ClassVar[str] = "bootstrapping"
    title: ClassVar[str] = "Bootstrapping"
    paper: ClassVar[str] = "Reed et al. 2015, https://arxiv.org/abs/1412.6596"
    search: ClassVar[dict[str, Search]] = {"beta": Search(0.5, 1)}
    differ: ClassVar[frozenset[str]] = frozenset({"beta"})
    work: ClassVar[type[Work]] = BootstrappingWork

    beta: float = Field(ge=0, le=1)
    hard: bool
