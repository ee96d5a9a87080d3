"""Dropout of inputs: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class InputDropoutWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import layers

        for place in network.places("input"):
            place.hang("input_dropout", layers.Dropout(self.each("p")))


class InputDropout(Regularizer):
    """Zeroes each number of an image with probability ``p`` in training, and scales the rest by 1 / (1 - p).

    Colours of a pixel fall out one by one. Images are in [-1, 1], so what falls out is grey.
    """

    key: ClassVar[str] = "input_dropout"
    title: ClassVar[str] = "Input dropout"
    paper: ClassVar[str] = "Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.5)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = InputDropoutWork

    p: float = Field(ge=0, lt=1)
