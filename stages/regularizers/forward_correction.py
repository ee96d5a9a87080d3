"""Forward correction: Patrini et al., "Making Deep Neural Networks Robust to Label Noise: A Loss Correction Approach",
2017."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Given, Search, Work
from stages.regularizers.criterion import Criterion, CriterionWork

if TYPE_CHECKING:
    from torch import Tensor


class ForwardCorrectionWork(CriterionWork):
    def of(self, log_p: Tensor) -> Tensor:
        rate = self.each("rate").double()[:, None, None]
        kept = log_p + (-rate).log1p()
        return -kept.logaddexp(rate.log() - math.log(log_p.shape[-1]))


class ForwardCorrection(Criterion):
    """The cross-entropy of (1 - rate) p + rate / classes: what noisy labels follow if true ones follow p.

    ``rate`` is the share of labels drawn anew, uniformly over all classes, as ``data.label_noise`` has it. A method is
    not told its task, so the rate is a parameter: an oracle where it is the task's own, and wrong on other tasks.
    """

    key: ClassVar[str] = "forward_correction"
    title: ClassVar[str] = "Forward correction"
    paper: ClassVar[str] = "Patrini et al. 2017, https://arxiv.org/abs/1609.03683"
    search: ClassVar[dict[str, Search]] = {"rate": Search(0, 0.9)}
    differ: ClassVar[frozenset[str]] = frozenset({"rate"})
    work: ClassVar[type[Work]] = ForwardCorrectionWork

    rate: float = Field(ge=0, lt=1)

    def needless(self, task: Given) -> str:
        if task.noise is None:
            return "corrects for wrong labels, and all are true"
        if task.noise != "uniform":
            return f"corrects for uniform noise, and this is {task.noise.replace('_', ' ')}"
        return "corrects for wrong labels, and these say nothing about the true ones" if task.rate == 1 else ""
