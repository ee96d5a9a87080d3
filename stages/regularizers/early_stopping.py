"""Early stopping: Prechelt, "Early Stopping - But When?", 1998."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from stages.history import History


class EarlyStoppingWork(Work):
    every_epoch: ClassVar[bool] = True

    def __init__(self, specs: Sequence[Any], device: torch.device):
        super().__init__(specs, device)
        self.patience = self.each("patience")
        self.best = self.patience.double() - float("inf")
        self.waited = self.patience * 0

    def keep(self, history: History) -> Tensor:
        accuracy = history.latest("val_accuracy")
        better = (accuracy > self.best) & history.active
        self.best = accuracy.where(better, self.best)
        self.waited = (self.waited + 1).where(~better, 0.0)
        return better

    def stop(self, history: History) -> Tensor:
        return self.waited > self.patience


class EarlyStopping(Regularizer):
    """Stops after more than ``patience`` epochs without a better validation accuracy; keeps the best epoch's weights.

    Validation labels are those of the task, as a practitioner with noisy labels would have them.
    """

    key: ClassVar[str] = "early_stopping"
    title: ClassVar[str] = "Early stopping"
    paper: ClassVar[str] = "Prechelt 1998, https://doi.org/10.1007/3-540-49430-8_3"
    acts_on: ClassVar[str] = "weights"
    search: ClassVar[dict[str, Search]] = {"patience": Search(5, 100, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"patience"})
    work: ClassVar[type[Work]] = EarlyStoppingWork

    patience: int = Field(ge=1)
