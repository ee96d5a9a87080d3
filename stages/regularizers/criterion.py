"""What losses in place of the cross-entropy share; not a method by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Regularizer, Step, Work, log_softmax

if TYPE_CHECKING:
    from torch import Tensor


class Criterion(Regularizer):
    acts_on: ClassVar[str] = "criterion"


class CriterionWork(Work):
    """Puts in place of the cross-entropy the mean of `of`, each label's loss weighted by its target probability."""

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        assert step.logits is not None
        # In float64, for powers and logarithms of float32 depend on the processor.
        losses = self.of(log_softmax(step.logits).double()).float()
        return (step.y * losses).sum(-1).mean(-1)

    def of(self, log_p: Tensor) -> Tensor:
        """Each label's loss (R, N, classes), from the logarithms of probabilities."""
        raise NotImplementedError
