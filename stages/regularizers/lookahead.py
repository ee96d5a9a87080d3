"""Lookahead: Zhang et al., "Lookahead Optimizer: k Steps Forward, 1 Step Back", 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along

if TYPE_CHECKING:
    from torch import Tensor


class LookaheadWork(Work):
    slow: list[Tensor] | None = None

    def batch(self, step: Step) -> None:
        if self.slow is None:  # before the first step, at the initial weights
            self.slow = [p.detach().clone() for p in step.network.parameters()]

    def updated(self, step: Step) -> None:
        if (step.t + 1) % self.shared("k"):
            return
        assert self.slow is not None
        alpha = self.each("alpha")
        for slow, parameter in zip(self.slow, step.network.parameters(), strict=True):
            fast = parameter.detach()
            slow.mul_(along(1 - alpha, slow)).add_(fast * along(alpha, fast))
            fast.copy_(slow)


class Lookahead(Regularizer):
    """After every ``k`` steps takes back a part: the weights become slow + alpha (fast - slow), the new slow weights.

    Slow weights are the initial ones at first; the optimizer's momentum goes on. What is measured and saved are the
    weights as they stand, which between two such steps are the fast ones.
    """

    key: ClassVar[str] = "lookahead"
    title: ClassVar[str] = "Lookahead"
    paper: ClassVar[str] = "Zhang et al. 2019, https://arxiv.org/abs/1907.08610"
    acts_on: ClassVar[str] = "weights"
    search: ClassVar[dict[str, Search]] = {"k": Search(5, 10), "alpha": Search(0.2, 0.8)}
    differ: ClassVar[frozenset[str]] = frozenset({"alpha"})
    work: ClassVar[type[Work]] = LookaheadWork

    k: int = Field(ge=1)
    alpha: float = Field(gt=0, le=1)
