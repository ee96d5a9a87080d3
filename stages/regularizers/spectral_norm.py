"""Spectral normalization: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class SpectralNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks.reparametrizations import SpectralNorm as Layer

        for place in network.places("weight"):
            place.hang("spectral_norm", Layer(network.replicas, place.units, network.device))

    def updated(self, step: Step) -> None:
        for layer in step.network.weighted:
            layer.reparametrized.hung["spectral_norm"].iterate(layer.weight, self.shared("iterations"))  # type: ignore[operator]


class SpectralNorm(Regularizer):
    """Divides each layer's weights, the last's too, by their largest singular value; biases are left alone.

    A convolution's kernels are a matrix (outputs, inputs * height * width), as in the paper. The singular value is
    that of power iterations in float64: a hundred at the initial weights, ``iterations`` after each step. With ReLU the
    network of linear maps moves its logits by no more than its input moves.
    """

    key: ClassVar[str] = "spectral_norm"
    title: ClassVar[str] = "Spectral normalization"
    paper: ClassVar[str] = "Miyato et al. 2018, https://arxiv.org/abs/1802.05957"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"iterations": Search(1, 5)}
    work: ClassVar[type[Work]] = SpectralNormWork

    iterations: int = Field(ge=1, le=1000)
