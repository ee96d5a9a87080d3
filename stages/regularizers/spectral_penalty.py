"""Spectral norm penalty: Yoshida and Miyato, "Spectral Norm Regularization", 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Search, Step, Work
from stages.regularizers.penalty import Penalty

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS = 5
"""Before each step but the first."""


class SpectralPenaltyWork(Work):
    vectors: tuple[tuple[Tensor, Tensor], ...] = ()
    """Of each layer's weight: the singular vectors, as near as they are."""

    def batch(self, step: Step) -> None:
        from stages.networks.matrices import singular_vectors
        from stages.networks.reparametrizations import START

        weights, iterations = [layer.weight for layer in step.network.weighted], ITERATIONS if self.vectors else START
        starts = [u for u, _ in self.vectors] or [
            step.streams.uniform(f"spectral_penalty.{number}", weight.shape[1]) * 2 - 1
            for number, weight in enumerate(weights)
        ]
        self.vectors = tuple(singular_vectors(w, u, iterations) for w, u in zip(weights, starts, strict=True))

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        from stages.networks.matrices import singular_value

        pairs = zip(step.network.weighted, self.vectors, strict=True)
        squares = sum(singular_value(layer.weight, *vectors).square() for layer, vectors in pairs)
        return loss + self.each("strength") / 2 * squares.float()  # type: ignore[union-attr]


class SpectralPenalty(Penalty):
    """Adds half of ``strength`` times the squared largest singular value of each layer's weights; biases are free.

    A convolution's kernels are a matrix (outputs, inputs * height * width), as in the paper. The singular value is
    that of power iterations in float64: a hundred before the first step, five before each further one. The
    paper makes one, which lags behind for ten steps when another singular value becomes the largest.
    """

    key: ClassVar[str] = "spectral_penalty"
    title: ClassVar[str] = "Spectral norm penalty"
    paper: ClassVar[str] = "Yoshida and Miyato 2017, https://arxiv.org/abs/1705.10941"
    search: ClassVar[dict[str, Search]] = {"strength": Search(1e-4, 1.0, "log")}
    work: ClassVar[type[Work]] = SpectralPenaltyWork
