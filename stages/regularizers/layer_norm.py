"""Layer normalization: Ba, Kiros and Hinton, "Layer Normalization", 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Regularizer, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class LayerNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import layers

        for place in network.places("norm"):
            place.hang("layer_norm", layers.LayerNorm(network.replicas, place.units, network.device))


class LayerNorm(Regularizer):
    """Normalizes the hidden units of each example to mean 0 and variance 1, before the activation, then scales and
    shifts each unit as it learns.

    In convolutional networks over the channels of each place of the picture alone. Evaluation is as training.
    """

    key: ClassVar[str] = "layer_norm"
    title: ClassVar[str] = "Layer normalization"
    paper: ClassVar[str] = "Ba et al. 2016, https://arxiv.org/abs/1607.06450"
    acts_on: ClassVar[str] = "network"
    work: ClassVar[type[Work]] = LayerNormWork
