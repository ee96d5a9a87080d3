"""Adversarial training: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", 2015."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along, log_softmax


class FGSMTrainingWork(Work):
    def batch(self, step: Step) -> None:
        import torch

        x = step.x.detach().requires_grad_()
        with step.network.unnoted():
            loss = -(step.y * log_softmax(step.network(x))).sum()
            (slope,) = torch.autograd.grad(loss, x)
        epsilon = along(self.each("epsilon"), x)
        moved = (step.x + 2 * epsilon * slope.sign()).clamp(-1, 1)
        step.x = moved.where(epsilon > 0, step.x)


class FGSMTraining(Regularizer):
    """Trains on images whose every pixel has moved by ``epsilon`` in the direction in which the cross-entropy grows.

    ``epsilon`` is a share of the range from black to white, as in ``evaluation.fgsm_epsilon``, and no pixel leaves that
    range. All images are moved, where the paper has half of the loss on images as they are; noise such as dropout is
    drawn anew after the attack.
    """

    key: ClassVar[str] = "fgsm_training"
    title: ClassVar[str] = "Adversarial training"
    paper: ClassVar[str] = "Goodfellow, Shlens and Szegedy 2015, https://arxiv.org/abs/1412.6572"
    acts_on: ClassVar[str] = "attack"
    search: ClassVar[dict[str, Search]] = {"epsilon": Search(1e-3, 0.15, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"epsilon"})
    work: ClassVar[type[Work]] = FGSMTrainingWork

    epsilon: float = Field(ge=0, le=1)
