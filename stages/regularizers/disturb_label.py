"""DisturbLabel: Xie et al., "DisturbLabel: Regularizing CNN on the Loss Layer", 2016."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Search, Step, Work


class DisturbLabelWork(Work):
    def batch(self, step: Step) -> None:
        import torch

        classes = step.y.shape[-1]
        chance, draw = step.streams.uniform("disturb_label", 2, step.y.shape[1]).unbind(1)  # each (R, N)
        label = (draw * classes).long().clamp(max=classes - 1)
        other = (label[..., None] == torch.arange(classes, device=self.device)).to(step.y.dtype)
        step.y = other.where((chance < self.each("share")[:, None])[..., None], step.y)


class DisturbLabel(Regularizer):
    """Draws each label anew with probability ``share`` in every step, uniformly over all classes, the true among them.

    Its mean loss is that of label smoothing with epsilon = share.
    """

    key: ClassVar[str] = "disturb_label"
    title: ClassVar[str] = "DisturbLabel"
    paper: ClassVar[str] = "Xie et al. 2016, https://arxiv.org/abs/1605.00055"
    acts_on: ClassVar[str] = "targets"
    search: ClassVar[dict[str, Search]] = {"share": Search(0, 0.3)}
    differ: ClassVar[frozenset[str]] = frozenset({"share"})
    work: ClassVar[type[Work]] = DisturbLabelWork

    share: float = Field(ge=0, lt=1)
