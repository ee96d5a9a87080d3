"""TrivialAugment: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work
from stages.regularizers.warp import WarpWork

OPERATIONS = (
    "identity",
    "rotate",
    "shear_across",
    "shear_down",
    "move_across",
    "move_down",
    "brightness",
    "contrast",
    "solarize",
)
DEGREES, SHEAR, MOVE, ENHANCE = 30, 0.3, 2 / 3, 0.9
"""The most of rotation, shear, move (where the image's side is 2) and change of brightness or contrast."""


class TrivialAugmentWork(WarpWork):
    def batch(self, step: Step) -> None:
        x = step.x
        which, size, sign = step.streams.uniform("trivial_augment", 3, x.shape[1]).unbind(1)  # each (R, N)
        strength = self.each("strength")[:, None]
        operation = (which * len(OPERATIONS)).long().clamp(max=len(OPERATIONS) - 1)
        size = size * strength
        way = size.where(sign < 0.5, -size)
        # In each image that its operation leaves alone, the strength is zero.
        angle, shear_across, shear_down, move_across, move_down, light, contrast = (
            way.where(operation == OPERATIONS.index(name), 0.0) for name in OPERATIONS[1:-1]
        )
        turn = angle.double() * (math.pi / 180 * DEGREES)
        cos, sin = turn.cos().float(), turn.sin().float()
        moved = self.warped(
            x, (cos, SHEAR * shear_across - sin, MOVE * move_across), (SHEAR * shear_down + sin, cos, MOVE * move_down)
        )
        lit = ((x + 1) * (1 + ENHANCE * light)[..., None, None, None] - 1).clamp(-1, 1)
        mean = x.flatten(2).mean(-1)[..., None, None, None]
        spread = (mean + (x - mean) * (1 + ENHANCE * contrast)[..., None, None, None]).clamp(-1, 1)
        solarized = (-x).where(x > (1 - 2 * size)[..., None, None, None], x)
        operation = operation.where(strength > 0, OPERATIONS.index("identity"))[..., None, None, None]
        for first, found in (("rotate", moved), ("brightness", lit), ("contrast", spread), ("solarize", solarized)):
            x = found.where(operation >= OPERATIONS.index(first), x)
        step.x = x


class TrivialAugment(Regularizer):
    """Applies to each training image one operation drawn at random, of a strength drawn uniformly up to ``strength``.

    Of the paper's operations those that need no colours and no tables: identity, rotation (to 30 degrees), shear (0.3)
    and move (a third of the side) along each axis, brightness and contrast (90 per cent), solarizing (inverting what is
    brighter than a threshold). ``strength`` 1 is the paper's range; uncovered pixels repeat the edge.
    """

    key: ClassVar[str] = "trivial_augment"
    title: ClassVar[str] = "TrivialAugment"
    paper: ClassVar[str] = "Müller and Hutter 2021, https://arxiv.org/abs/2103.10158"
    acts_on: ClassVar[str] = "images"
    search: ClassVar[dict[str, Search]] = {"strength": Search(0, 1)}
    differ: ClassVar[frozenset[str]] = frozenset({"strength"})
    work: ClassVar[type[Work]] = TrivialAugmentWork

    strength: float = Field(ge=0, le=1)
