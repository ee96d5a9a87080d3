"""Rotations and changes of size: Simard et al., "Best Practices for Convolutional Neural Networks", 2003."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work
from stages.regularizers.warp import WarpWork


class AffineWork(WarpWork):
    def batch(self, step: Step) -> None:
        degrees, scale = self.each("degrees")[:, None], self.each("scale")[:, None]
        turn, growth = (2 * step.streams.uniform("affine", 2, step.x.shape[1]) - 1).unbind(1)
        angle = (turn * degrees).double() * (math.pi / 180)
        size = (1 + growth * scale).double()
        cos, sin, none = (angle.cos() / size).float(), (angle.sin() / size).float(), 0 * turn
        moved = self.warped(step.x, (cos, -sin, none), (sin, cos, none))
        step.x = moved.where(((degrees > 0) | (scale > 0))[..., None, None, None], step.x)


class Affine(Regularizer):
    """Turns each training image anew by up to ``degrees`` either way and makes it up to ``scale`` larger or smaller.

    About its middle, angle and size uniform; pixels are interpolated, uncovered ones repeat the image's edge.
    """

    key: ClassVar[str] = "affine"
    title: ClassVar[str] = "Rotation and scaling"
    paper: ClassVar[str] = "Simard et al. 2003, https://doi.org/10.1109/ICDAR.2003.1227801"
    acts_on: ClassVar[str] = "images"
    search: ClassVar[dict[str, Search]] = {"degrees": Search(0, 45), "scale": Search(0, 0.5)}
    differ: ClassVar[frozenset[str]] = frozenset({"degrees", "scale"})
    work: ClassVar[type[Work]] = AffineWork

    degrees: float = Field(ge=0, le=180)
    scale: float = Field(ge=0, lt=1)
