"""Gradient centralization: Yong et al., "Gradient Centralization: A New Optimization Technique for Deep Neural
Networks", 2020."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from stages.regularizers.base import Regularizer, Step, Work


class GradientCentralizationWork(Work):
    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        for parameter in step.network.parameters():
            if parameter.grad is not None and parameter.dim() > 2:
                parameter.grad.sub_(
                    parameter.grad.flatten(2).mean(-1).view(*parameter.shape[:2], *[1] * (parameter.dim() - 2))
                )


class GradientCentralization(Regularizer):
    """Subtracts from the gradient of each unit's weights its mean; biases are left alone.

    So under plain SGD the mean of a unit's weights stays what it was at the start.
    """

    key: ClassVar[str] = "gradient_centralization"
    title: ClassVar[str] = "Gradient centralization"
    paper: ClassVar[str] = "Yong et al. 2020, https://arxiv.org/abs/2004.01461"
    acts_on: ClassVar[str] = "gradients"
    work: ClassVar[type[Work]] = GradientCentralizationWork
