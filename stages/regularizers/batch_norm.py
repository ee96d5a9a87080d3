"""Batch normalization: Ioffe and Szegedy, "Batch Normalization", 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class BatchNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import layers

        for place in network.places("norm"):
            norm = layers.BatchNorm(network.replicas, place.units, self.shared("momentum"), network.device)
            place.hang("batch_norm", norm)


class BatchNorm(Regularizer):
    """Normalizes each hidden unit over the batch, before the activation; running statistics serve evaluation."""

    key: ClassVar[str] = "batch_norm"
    title: ClassVar[str] = "Batch normalization"
    paper: ClassVar[str] = "Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {}  # the momentum of running statistics changes no step of training
    work: ClassVar[type[Work]] = BatchNormWork

    momentum: float = Field(gt=0, le=1)
    """The share of the newest batch in the running statistics."""
