"""Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along

if TYPE_CHECKING:
    from torch import Tensor


class MixupWork(Work):
    def batch(self, step: Step) -> None:
        import torch

        share = step.streams.beta("mixup.share", [spec.alpha or 1.0 for spec in self.specs])
        share = share.where(self.each("alpha") > 0, 1.0)
        stack = torch.arange(len(share), device=self.device)[:, None]
        partner = step.streams.permutation("mixup.partner", step.x.shape[1])

        def mixed(values: Tensor) -> Tensor:
            own = along(share, values)
            return own * values + (1 - own) * values[stack, partner]

        step.x, step.y = mixed(step.x), mixed(step.y)


class Mixup(Regularizer):
    """Trains on lambda x + (1 - lambda) x', targets mixed alike, where x' is another image of the batch.

    lambda is drawn from Beta(alpha, alpha), one for each step as in the authors' code. ``alpha`` 0 mixes nothing.
    """

    key: ClassVar[str] = "mixup"
    title: ClassVar[str] = "Mixup"
    paper: ClassVar[str] = "Zhang et al. 2018, https://arxiv.org/abs/1710.09412"
    acts_on: ClassVar[str] = "mixing"
    search: ClassVar[dict[str, Search]] = {"alpha": Search(0.1, 10, "log")}
    differ: ClassVar[frozenset[str]] = frozenset({"alpha"})
    work: ClassVar[type[Work]] = MixupWork

    alpha: float = Field(ge=0)
