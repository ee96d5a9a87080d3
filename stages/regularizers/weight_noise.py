"""Noise on weights: Graves, "Practical Variational Inference for Neural Networks", 2011."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class WeightNoiseWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import noise

        for place in network.places("weight_noise"):
            place.hang("weight_noise", noise.GaussianNoise(self.each("sigma")))


class WeightNoise(Regularizer):
    """Adds a normal draw of standard deviation ``sigma`` to each weight for one pass of training, and updates the
    weights as they are by the gradient at the noisy ones.

    All examples of a batch share the draw; biases have none. ``sigma`` is fixed, where the paper can learn it.
    """

    key: ClassVar[str] = "weight_noise"
    title: ClassVar[str] = "Weight noise"
    paper: ClassVar[str] = "Graves 2011, https://papers.nips.cc/paper/4329"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"sigma": Search(1e-3, 1e-1, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"sigma"})
    work: ClassVar[type[Work]] = WeightNoiseWork

    sigma: float = Field(ge=0)
