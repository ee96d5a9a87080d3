"""What penalties on gradients by the images share; not a method by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class InputGradient(Regularizer):
    acts_on: ClassVar[str] = "penalty"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-4, 1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})

    strength: float = Field(ge=0)


class InputGradientWork(Work):
    def batch(self, step: Step) -> None:
        step.x = step.x.detach().requires_grad_()

    def squares(self, step: Step, of: Tensor) -> Tensor:
        """Sums of squares (R, N) of the gradient by each image of a number that was computed from all of them."""
        import torch

        (slope,) = torch.autograd.grad(of, step.x, create_graph=True)
        return slope.square().flatten(2).sum(-1)
