"""Weight normalization: Salimans and Kingma, "Weight Normalization", 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Regularizer, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class WeightNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks.reparametrizations import WeightNorm as Layer

        for place in network.places("weight"):
            place.hang("weight_norm", Layer(network.replicas, place.units, network.device))


class WeightNorm(Regularizer):
    """Learns the weights that lead to each unit as a length g and a direction v: w = g v / ||v||.

    A unit is an output of a linear map, the last layer's too, or an output channel of a convolution with its kernels
    for all input channels. g starts as ||v||, so that the network starts as without; the paper's start from data is
    left out. Penalties and decay act on v and g.
    """

    key: ClassVar[str] = "weight_norm"
    title: ClassVar[str] = "Weight normalization"
    paper: ClassVar[str] = "Salimans and Kingma 2016, https://arxiv.org/abs/1602.07868"
    acts_on: ClassVar[str] = "network"
    work: ClassVar[type[Work]] = WeightNormWork
