"""DropConnect: Wan et al., "Regularization of Neural Networks using DropConnect", 2013."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class DropConnectWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import layers

        for place in network.places("weight_noise"):
            place.hang("drop_connect", layers.Dropout(self.each("p")))


class DropConnect(Regularizer):
    """Zeroes each weight with probability ``p`` in every pass of training, and scales the rest by 1 / (1 - p).

    All examples of a batch share the pass's mask, where the paper draws one for each. Biases stay, and evaluation takes
    the weights as they are, where the paper draws from a normal approximation.
    """

    key: ClassVar[str] = "drop_connect"
    title: ClassVar[str] = "DropConnect"
    paper: ClassVar[str] = "Wan et al. 2013, https://proceedings.mlr.press/v28/wan13.html"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.8)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = DropConnectWork

    p: float = Field(ge=0, lt=1)
