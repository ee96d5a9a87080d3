"""Ghost batch normalization: Hoffer, Hubara and Soudry, "Train Longer, Generalize Better", 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Given, Regularizer, Search, Work

if TYPE_CHECKING:
    from stages.networks.network import Network


class GhostBatchNormWork(Work):
    def build(self, network: Network) -> None:
        from stages.networks.normalization import GhostBatchNorm as Layer

        momentum, size = self.shared("momentum"), self.shared("size")
        for place in network.places("norm"):
            place.hang("ghost_batch_norm", Layer(network.replicas, place.units, momentum, size, network.device))


class GhostBatchNorm(Regularizer):
    """Batch normalization over parts of the batch, each by its own mean and variance.

    There are as few parts as hold at most ``size`` images each, and their sizes differ by one at most. The running
    statistics, which serve evaluation, take one part after the other.
    """

    key: ClassVar[str] = "ghost_batch_norm"
    title: ClassVar[str] = "Ghost batch normalization"
    paper: ClassVar[str] = "Hoffer et al. 2017, https://arxiv.org/abs/1705.08741"
    acts_on: ClassVar[str] = "network"
    search: ClassVar[dict[str, Search]] = {"size": Search(8, 64, "log")}
    work: ClassVar[type[Work]] = GhostBatchNormWork

    size: int = Field(ge=4)
    """Images of a part, at most; from four on no part is of one image."""
    momentum: float = Field(gt=0, le=1)
    """The share of the newest part in the running statistics."""

    def needless(self, task: Given) -> str:
        whole = task.images is not None and task.images <= self.size
        return f"has all {task.images} images in one part, which is batch normalization" if whole else ""
