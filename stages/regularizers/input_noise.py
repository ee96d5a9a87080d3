"""Noise on inputs: Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class InputNoiseWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import noise

        for place in network.places("input"):
            place.hang("input_noise", noise.GaussianNoise(self.each("sigma")))


class InputNoise(Regularizer):
    """Adds a normal draw of standard deviation ``sigma`` to each number of an image in training.

    Images are in [-1, 1], and what leaves that range is left as it is.
    """

    key: ClassVar[str] = "input_noise"
    title: ClassVar[str] = "Input noise"
    paper: ClassVar[str] = "Bishop 1995, https://doi.org/10.1162/neco.1995.7.1.108"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"sigma": Search(1e-2, 1.0, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"sigma"})
    work: ClassVar[type[Work]] = InputNoiseWork

    sigma: float = Field(ge=0)
