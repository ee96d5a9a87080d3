"""Data augmentation by flips and shifts: Simard et al., "Best Practices for Convolutional Neural Networks", 2003."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Given, Regularizer, Step, Work

if TYPE_CHECKING:
    from torch import Tensor


class AugmentationWork(Work):
    def batch(self, step: Step) -> None:
        images, shift = step.x.shape[1], self.shared("shift")
        flips = self.each("horizontal_flip")
        if flips.any():
            flip = step.streams.uniform("augmentation.flip", images) < flips[:, None]
            step.x = step.x.flip(-1).where(flip[:, :, None, None, None], step.x)
        if shift:
            draws = step.streams.uniform("augmentation.shift", 2, images) * (2 * shift + 1)
            rows, columns = draws.long().unbind(1)  # each (R, N)
            step.x = _moved(_moved(step.x, rows - shift, dim=3), columns - shift, dim=4)


class Augmentation(Regularizer):
    """Shows each training image anew in every epoch: mirrored left to right, or moved by up to ``shift`` pixels.

    What is not given here comes from the file of the data source in use: a mirrored face is a face, a mirrored digit is
    not a digit.
    """

    key: ClassVar[str] = "augmentation"
    title: ClassVar[str] = "Data augmentation"
    paper: ClassVar[str] = "Simard et al. 2003, https://doi.org/10.1109/ICDAR.2003.1227801"
    acts_on: ClassVar[str] = "images"
    differ: ClassVar[frozenset[str]] = frozenset({"horizontal_flip"})
    work: ClassVar[type[Work]] = AugmentationWork

    horizontal_flip: float = Field(ge=0, le=1)
    """Probability of mirroring an image."""
    shift: int = Field(ge=0)
    """Largest move, in pixels, along each axis; uncovered pixels repeat the image's edge."""

    def needless(self, task: Given) -> str:
        return "" if self.horizontal_flip or self.shift else "neither mirrors nor moves an image of this source"


def _moved(x: Tensor, offset: Tensor, dim: int) -> Tensor:
    """Each image of x (R, N, C, H, W) moved along ``dim`` by its own offset (R, N) in pixels."""
    size = x.shape[dim]
    position = offset.new_tensor(range(size)) - offset[:, :, None]
    shape = [*offset.shape, 1, 1, 1]
    shape[dim] = size
    return x.gather(dim, position.clamp(0, size - 1).view(shape).expand(x.shape))
