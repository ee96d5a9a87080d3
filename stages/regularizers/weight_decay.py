"""Weight decay: Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", 1991."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer


class WeightDecay(Regularizer):
    """The optimizer's own ``weight_decay``: biases decay too, and nothing is divided by the batch size.

    With sgd and adam torch adds it to the gradient (an L2 penalty of half the strength); with adamw the decay is
    decoupled from the gradient: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101.
    """

    title: ClassVar[str] = "Weight decay"
    paper: ClassVar[str] = "Krogh and Hertz 1991, https://papers.nips.cc/paper/563"

    strength: float = Field(ge=0)

    def optimizer(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "weight_decay": self.strength}
