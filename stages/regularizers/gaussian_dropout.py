"""Gaussian dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class GaussianDropoutWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks import noise

        for place in network.places("drop"):
            place.hang("gaussian_dropout", noise.GaussianDropout(self.each("p")))


class GaussianDropout(Regularizer):
    """Multiplies each hidden unit by a normal draw of mean 1 and variance p / (1 - p) in training, before the
    activation.

    These are the mean and the variance of dropout's own factors.
    """

    key: ClassVar[str] = "gaussian_dropout"
    title: ClassVar[str] = "Gaussian dropout"
    paper: ClassVar[str] = "Srivastava et al. 2014, section 10, https://jmlr.org/papers/v15/srivastava14a.html"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 0.8)}
    differ: ClassVar[frozenset[str]] = frozenset({"p"})
    work: ClassVar[type[Work]] = GaussianDropoutWork

    p: float = Field(ge=0, lt=1)
