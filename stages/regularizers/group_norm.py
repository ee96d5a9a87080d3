"""Group normalization: Wu and He, "Group Normalization", 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer, Work

if TYPE_CHECKING:
    from stages.networks import Architecture
    from stages.networks.network import Network


class GroupNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks.normalization import GroupNorm as Layer

        for place in network.places("norm"):
            place.hang("group_norm", Layer(network.replicas, place.units, self.shared("groups"), network.device))


class GroupNorm(Regularizer):
    """Divides the hidden units of each layer into ``groups`` of neighbours and normalizes each group of each example,
    before the activation, then scales and shifts each unit as it learns.

    In convolutional networks over the channels of a group and all places of the picture. Evaluation is as training.
    """

    key: ClassVar[str] = "group_norm"
    title: ClassVar[str] = "Group normalization"
    paper: ClassVar[str] = "Wu and He 2018, https://arxiv.org/abs/1803.08494"
    acts_on: ClassVar[str] = "network"
    work: ClassVar[type[Work]] = GroupNormWork

    groups: int = Field(ge=1)
    """Not tuned: it has to divide every layer's number of units."""

    def obstacle(self, network: Architecture) -> str:
        for units in network.hidden:
            if units % self.groups:
                return f"has a layer of {units} units, which {self.groups} groups do not divide"
            if units == self.groups and network.kind == "mlp":
                return f"has a layer of {units} units, which {units} groups leave alone each, and all would be zero"
        return ""
