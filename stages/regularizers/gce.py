"""Generalized cross-entropy: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
Noisy Labels", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Search, Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor


class GCEWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        q = self.each("q").double()[:, None, None]
        return -(q * log_p).expm1() / q


class GCE(Criterion):
    """The loss (1 - p^q) / q of the label's probability p: the cross-entropy for q to 0, 1 - p for q = 1.

    Its gradient is that of the cross-entropy times p^q, so a label that the network doubts moves it less. The paper's
    truncation is left out.
    """

    key: ClassVar[str] = "gce"
    title: ClassVar[str] = "Generalized cross-entropy"
    paper: ClassVar[str] = "Zhang and Sabuncu 2018, https://arxiv.org/abs/1805.07836"
    search: ClassVar[dict[str, Search]] = {"q": Search(0.05, 1)}
    differ: ClassVar[frozenset[str]] = frozenset({"q"})
    work: ClassVar[type[Work]] = GCEWork

    q: float = Field(gt=0, le=1)
