"""The hooks of a training step that a regularizer may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models import Network
    from stages.training.history import History
    from stages.training.streams import Streams


class Regularizer(BaseModel):
    """One idea against overfitting: its parameters are the fields, its work is done in the hooks it overrides.

    The name in ``params.yaml`` is the name of the file in ``stages/regularizers/``. A regularizer works on a stack of
    R replicas at once: every tensor has a leading dimension R, and no hook may let one replica see another.
    A fresh copy serves each stack, so private attributes can hold state. Modules of this folder do not import torch
    when loaded: ``params.yaml`` is checked without it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    title: ClassVar[str]
    paper: ClassVar[str]
    """Where the idea comes from: citation and link, shown in the report."""
    changes_inputs: ClassVar[bool] = False
    """True if ``batch`` changes the images: the training pass then cannot double as the measurement."""

    def build(self, network: Network) -> None:
        """Change the architecture, before the weights are drawn."""

    def optimizer(self, options: dict[str, Any]) -> dict[str, Any]:
        """Change the keyword arguments of the torch optimizer."""
        return options

    def batch(self, x: Tensor, y: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        """Change a training batch: images x (R, N, C, H, W) in [-1, 1], target probabilities y (R, N, classes)."""
        return x, y

    def penalty(self, parameters: Sequence[Tensor]) -> Tensor | None:
        """A term (R,) added to the mean loss; each parameter is (R, ...)."""
        return None

    def stop(self, network: Network, history: History) -> Tensor | None:
        """After each measured epoch: True (R,) for the replicas that shall train no further."""
        return None

    def finish(self, network: Network) -> None:
        """After training, before the weights are saved."""
