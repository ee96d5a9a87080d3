"""L2 penalty towards the starting point, L2-SP: Li et al., "Explicit Inductive Bias for Transfer Learning", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Step, Work
from stages.regularizers.penalty import Penalty

if TYPE_CHECKING:
    from torch import Tensor


class L2SPWork(Work):
    start: tuple[Tensor, ...] = ()

    def batch(self, step: Step) -> None:
        self.start = self.start or tuple(p.detach().clone() for p in step.network.parameters())

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        pairs = zip(step.network.parameters(), self.start, strict=True)
        total = sum((p - start).square().flatten(1).sum(1) for p, start in pairs)
        return loss + self.each("strength") / 2 * total


class L2SP(Penalty):
    """Adds half of ``strength`` times the squared distance of all parameters from their initial values to the loss.

    There is no pretrained network to start from here: it starts from the random weights that all methods start from,
    as Hu, Li and Yu 2020, https://arxiv.org/abs/1905.11368, have it against wrong labels. Biases and the scales of
    normalizations stay near their start, too.
    """

    key: ClassVar[str] = "l2_sp"
    title: ClassVar[str] = "L2 penalty towards the start"
    paper: ClassVar[str] = "Li et al. 2018, https://arxiv.org/abs/1802.01483"
    work: ClassVar[type[Work]] = L2SPWork
