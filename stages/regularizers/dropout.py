"""Dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class DropoutWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import layers

        for place in network.places("drop"):
            place.hang("dropout", layers.Dropout(self.each("p")))


class Dropout(Regularizer):
    """Zeroes each hidden unit with probability ``p`` in training, after the linear map and before the activation."""

    key: ClassVar[str] = "dropout"
    title: ClassVar[str] = "Dropout"
    paper: ClassVar[str] = "Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.8)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = DropoutWork

    p: float = Field(ge=0, lt=1)
