"""CutMix: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work, along

if TYPE_CHECKING:
    from torch import Tensor


class CutMixWork(Work):
    def batch(self, step: Step) -> None:
        import torch

        share = step.streams.beta("cutmix.share", [spec.alpha for spec in self.specs])
        *centre, chance = step.streams.uniform("cutmix.box", 3).unbind(1)
        partner = step.streams.permutation("cutmix.partner", step.x.shape[1])
        stack = torch.arange(len(share), device=self.device)[:, None]

        def inside(size: int, where: Tensor) -> Tensor:
            half = ((1 - share).double().sqrt() * size).long() // 2
            middle = (where * size).long()
            place = torch.arange(size, device=self.device)
            return (place >= (middle - half)[:, None]) & (place < (middle + half)[:, None])

        height, width = step.x.shape[-2:]
        box = inside(height, centre[0])[:, :, None] & inside(width, centre[1])[:, None]  # (R, H, W)
        box = box & (chance < self.each("p"))[:, None, None]
        step.x = step.x[stack, partner].where(box[:, None, None], step.x)
        own = along(1 - box.flatten(1).sum(1) / (height * width), step.y)
        step.y = own * step.y + (1 - own) * step.y[stack, partner]


class CutMix(Regularizer):
    """Puts a box of another image of the batch into each image; targets are mixed by the share of pixels.

    With probability ``p`` in each step, the same box for the whole batch. Its sides are sqrt(1 - lambda) of the
    image's, lambda from Beta(alpha, alpha), its centre is uniform, and what sticks out is cut off.
    """

    key: ClassVar[str] = "cutmix"
    title: ClassVar[str] = "CutMix"
    paper: ClassVar[str] = "Yun et al. 2019, https://arxiv.org/abs/1905.04899"
    acts_on: ClassVar[str] = "mixing"
    search: ClassVar[dict[str, Search]] = {"p": Search(0, 1)}
    differ: ClassVar[frozenset[str]] = frozenset({"alpha", "p"})
    work: ClassVar[type[Work]] = CutMixWork

    alpha: float = Field(gt=0)
    p: float = Field(ge=0, le=1)
