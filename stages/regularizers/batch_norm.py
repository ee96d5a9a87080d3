"""Batch normalization: Ioffe and Szegedy, "Batch Normalization", 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from stages.models import Network


class BatchNorm(Regularizer):
    """Normalizes each hidden unit over the batch, before the activation; running statistics serve evaluation."""

    title: ClassVar[str] = "Batch normalization"
    paper: ClassVar[str] = "Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167"

    momentum: float = Field(gt=0, le=1)
    """The share of the newest batch in the running statistics."""

    def build(self, network: Network) -> None:
        network.add_batch_norm(self.momentum)
