"""Jacobian penalty: Hoffman, Roberts and Yaida, "Robust Learning with Jacobian Regularization", 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Step, Work
from stages.regularizers.input_gradient import InputGradient, InputGradientWork

if TYPE_CHECKING:
    from torch import Tensor


class JacobianPenaltyWork(InputGradientWork):
    direction: Tensor

    def batch(self, step: Step) -> None:
        super().batch(step)
        draw = step.streams.normal("jacobian_penalty", *step.y.shape[1:])
        self.direction = draw / draw.double().square().sum(-1, keepdim=True).sqrt().float()

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        squares = self.squares(step, (step.logits * self.direction).sum())
        return loss + self.each("strength") / 2 * step.y.shape[-1] * squares.mean(-1)


class JacobianPenalty(InputGradient):
    """Adds ``strength`` / 2 times the mean over images of ||dz/dx||^2, all derivatives of logits z by pixels x.

    Without bias from one random direction v for each image and step: classes times ||d(v.z)/dx||^2, v of length one.
    """

    key: ClassVar[str] = "jacobian_penalty"
    title: ClassVar[str] = "Jacobian penalty"
    paper: ClassVar[str] = "Hoffman, Roberts and Yaida 2019, https://arxiv.org/abs/1908.02729"
    work: ClassVar[type[Work]] = JacobianPenaltyWork
