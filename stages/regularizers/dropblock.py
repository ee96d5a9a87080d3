"""DropBlock: Ghiasi, Lin and Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks import Architecture
    from stages.networks.network import Network


class DropBlockWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import noise

        for place in network.places("drop"):
            place.hang("dropblock", noise.DropBlock(self.each("p"), self.shared("block")))


class DropBlock(Regularizer):
    """Zeroes squares of ``block`` by ``block`` pixels of each hidden channel in training, before the activation, some
    share ``p`` of all pixels.

    Squares may overlap, lie within the picture and are no larger than it; what is left of a batch is scaled to keep
    the count. ``p`` is the same from the first step on, where the paper raises it.
    """

    key: ClassVar[str] = "dropblock"
    title: ClassVar[str] = "DropBlock"
    paper: ClassVar[str] = "Ghiasi et al. 2018, https://arxiv.org/abs/1810.12890"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.5)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = DropBlockWork

    p: float = Field(ge=0, lt=1)
    block: int = Field(ge=1)

    def obstacle(self, network: Architecture) -> str:
        return "has no hidden pixels" if network.kind == "mlp" else ""
