"""Early stopping: Prechelt, "Early Stopping - But When?", 1998."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models import Network
    from stages.training.history import History


class EarlyStopping(Regularizer):
    """Stops after more than ``patience`` epochs without a better validation accuracy; keeps the best epoch's weights.

    Validation labels are those of the task, as a practitioner with noisy labels would have them.
    """

    title: ClassVar[str] = "Early stopping"
    paper: ClassVar[str] = "Prechelt 1998, https://doi.org/10.1007/3-540-49430-8_3"

    patience: int = Field(ge=1)

    _best: Tensor | None = PrivateAttr(None)
    _waited: Tensor | None = PrivateAttr(None)
    _weights: dict[str, Tensor] = PrivateAttr(default_factory=dict)

    def stop(self, network: Network, history: History) -> Tensor:
        accuracy = history.latest("val_accuracy")
        if self._best is None or self._waited is None:
            self._best, self._waited = accuracy.clone(), accuracy.new_zeros(accuracy.shape)
            self._weights = {name: value.clone() for name, value in network.state_dict().items()}
            return accuracy < 0  # none: the first epoch is the best so far
        better = (accuracy > self._best) & history.active
        self._best = accuracy.where(better, self._best)
        self._waited = (self._waited + 1).where(~better, 0.0)
        if better.any():
            network.copy_replicas(network.state_dict(), self._weights, better)
        return self._waited > self.patience

    def finish(self, network: Network) -> None:
        network.load_state_dict(self._weights)
