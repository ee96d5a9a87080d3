"""Flooding: Ishida et al., "Do We Need Zero Training Loss After Achieving Zero Training Error?", 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class FloodingWork(Work):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        level = self.each("level")
        return (loss - level).abs() + level


class Flooding(Regularizer):
    """Turns the loss L, penalties and all, into |L - level| + level: steps go uphill while it is below the level.

    L is the mean over a batch, as in the paper.
    """

    key: ClassVar[str] = "flooding"
    title: ClassVar[str] = "Flooding"
    paper: ClassVar[str] = "Ishida et al. 2020, https://arxiv.org/abs/2002.08709"
    acts_on: ClassVar[str] = "total"
    search: ClassVar[dict[str, Search]] = {"level": Search(0, 0.2)}
    differ: ClassVar[frozenset[str]] = frozenset({"level"})
    work: ClassVar[type[Work]] = FloodingWork

    level: float = Field(ge=0)
