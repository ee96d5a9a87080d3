"""Stochastic depth: Huang et al., "Deep Networks with Stochastic Depth", 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks import Architecture
    from stages.networks.network import Network


class StochasticDepthWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import noise

        places = network.places("branch")
        for number, place in enumerate(places, start=1):
            place.hang("stochastic_depth", noise.StochasticDepth(self.each("p") * (number / len(places))))


class StochasticDepth(Regularizer):
    """Leaves out the branch of a residual block in training: in block l of L with probability p l / L.

    Each example has its own draw, where the paper has one for a batch; a branch that stays is scaled by one over the
    probability to stay, in place of the paper's scaling in evaluation.
    """

    key: ClassVar[str] = "stochastic_depth"
    title: ClassVar[str] = "Stochastic depth"
    paper: ClassVar[str] = "Huang et al. 2016, https://arxiv.org/abs/1603.09382"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.5)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = StochasticDepthWork

    p: float = Field(ge=0, lt=1)
    """Of the last block."""

    def obstacle(self, network: Architecture) -> str:
        return "" if network.kind == "resnet" else "has no residual branches"
