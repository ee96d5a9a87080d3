"""Cutout: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class CutoutWork(Work):
    def batch(self, step: Step) -> None:
        import torch

        rows, columns = step.streams.uniform("cutout", 2, step.x.shape[1]).unbind(1)  # each (R, N)

        def inside(pixels: int, where: Tensor) -> Tensor:
            side = (self.each("side").double() * pixels).round().long()[:, None]
            first = ((where * pixels).long() - side // 2)[..., None]
            place = torch.arange(pixels, device=self.device)
            return (place >= first) & (place < first + side[..., None])

        box = inside(step.x.shape[-2], rows)[..., None] & inside(step.x.shape[-1], columns)[:, :, None]
        step.x = step.x.masked_fill(box[:, :, None], 0)


class Cutout(Regularizer):
    """Covers a square of each training image with grey, 0 in the range from -1 to 1; targets stay.

    ``side`` is that of the square as a share of the image's. Its centre is uniform over the pixels, and what sticks out
    is cut off.
    """

    key: ClassVar[str] = "cutout"
    title: ClassVar[str] = "Cutout"
    paper: ClassVar[str] = "DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552"
    acts_on: ClassVar[str] = "images"
    search: ClassVar[dict[str, Search]] = {"side": Search(0, 0.75)}
    differ: ClassVar[frozenset[str]] = frozenset({"side"})
    work: ClassVar[type[Work]] = CutoutWork

    side: float = Field(ge=0, le=1)
