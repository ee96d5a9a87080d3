"""Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Tensor

    from stages.training.streams import Streams


class LabelSmoothing(Regularizer):
    """Mixes the one-hot target with the uniform distribution: (1 - epsilon) y + epsilon / classes."""

    title: ClassVar[str] = "Label smoothing"
    paper: ClassVar[str] = "Szegedy et al. 2016, https://arxiv.org/abs/1512.00567"

    epsilon: float = Field(ge=0, lt=1)

    def batch(self, x: Tensor, y: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
        return x, (1 - self.epsilon) * y + self.epsilon / y.shape[-1]
