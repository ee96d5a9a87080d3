"""Weight decay: Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", 1991."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Group, Regularizer, Search, Work


class WeightDecayWork(Work):
    def groups(self, groups: list[Group]) -> list[Group]:
        return [replace(group, weight_decay=self.each("strength")) for group in groups]


class WeightDecay(Regularizer):
    """The optimizer's own ``weight_decay``: biases decay too, and nothing is divided by the batch size.

    With sgd and adam it is added to the gradient (an L2 penalty of half the strength); with adamw the decay is
    decoupled from the gradient: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101.
    """

    key: ClassVar[str] = "weight_decay"
    title: ClassVar[str] = "Weight decay"
    paper: ClassVar[str] = "Krogh and Hertz 1991, https://papers.nips.cc/paper/563"
    acts_on: ClassVar[str] = "weights"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-5, 1.0, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})
    work: ClassVar[type[Work]] = WeightDecayWork

    strength: float = Field(ge=0)
