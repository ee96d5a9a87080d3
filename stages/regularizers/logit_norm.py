"""Logit normalization: Wei et al., "Mitigating Neural Network Overconfidence with Logit Normalization", 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Step, Work
from stages.regularizers.criterion import Criterion

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-14
"""Of the square of a length, whose root has no slope at zero."""


class LogitNormWork(Work):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        z = step.logits.double()
        length = z.square().sum(-1, keepdim=True).clamp(min=LEAST).sqrt()
        log_p = (z / (self.each("temperature")[:, None, None] * length)).log_softmax(-1).float()
        return -(step.y * log_p).sum(-1).mean(-1)


class LogitNorm(Criterion):
    """The cross-entropy of logits of constant length, z / (temperature ||z||), which cannot grow without end.

    As in the paper the network predicts, and is measured, by its logits as they are.
    """

    key: ClassVar[str] = "logit_norm"
    title: ClassVar[str] = "Logit normalization"
    paper: ClassVar[str] = "Wei et al. 2022, https://arxiv.org/abs/2205.09310"
    search: ClassVar[dict[str, Search]] = {"temperature": Search(1e-2, 1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"temperature"})
    work: ClassVar[type[Work]] = LogitNormWork

    temperature: float = Field(gt=0)
