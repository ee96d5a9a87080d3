"""Double backpropagation: Drucker and LeCun, "Improving Generalization Performance Using Double Backpropagation",
1992."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Search, Step, Work, log_softmax
from stages.regularizers.input_gradient import InputGradient, InputGradientWork

if TYPE_CHECKING:
    from torch import Tensor


class InputGradientPenaltyWork(InputGradientWork):
    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        squares = self.squares(step, -(step.y * log_softmax(step.logits)).sum())
        return loss + self.each("strength") * squares.mean(-1)


class InputGradientPenalty(InputGradient):
    """Adds ``strength`` times the mean over images of ||dL/dx||^2, where L is an image's own cross-entropy.

    There is no factor of one half. Under batch normalization, where images see each other, L is the sum over the batch.
    """

    key: ClassVar[str] = "input_gradient_penalty"
    title: ClassVar[str] = "Input gradient penalty"
    paper: ClassVar[str] = "Drucker and LeCun 1992, https://doi.org/10.1109/72.165600"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-3, 10, "log")}
    work: ClassVar[type[Work]] = InputGradientPenaltyWork
