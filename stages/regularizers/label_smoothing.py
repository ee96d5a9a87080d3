"""Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work


class LabelSmoothingWork(Work):
    def batch(self, step: Step) -> None:
        epsilon = self.each("epsilon")[:, None, None]
        step.y = (1 - epsilon) * step.y + epsilon / step.y.shape[-1]


class LabelSmoothing(Regularizer):
    """Mixes the one-hot target with the uniform distribution: (1 - epsilon) y + epsilon / classes."""

    key: ClassVar[str] = "label_smoothing"
    title: ClassVar[str] = "Label smoothing"
    paper: ClassVar[str] = "Szegedy et al. 2016, https://arxiv.org/abs/1512.00567"
    acts_on: ClassVar[str] = "targets"
    search: ClassVar[dict[str, Search]] = {"epsilon": Search(0, 0.9)}
    differ: ClassVar[frozenset[str]] = frozenset({"epsilon"})
    work: ClassVar[type[Work]] = LabelSmoothingWork

    epsilon: float = Field(ge=0, lt=1)
