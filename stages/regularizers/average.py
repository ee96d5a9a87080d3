"""What averages of weights over steps share; not a method by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.regularizers.base import Regularizer, Step, Work, along

if TYPE_CHECKING:
    from torch import Tensor

    from stages.networks.network import Network


class Average(Regularizer):
    acts_on: ClassVar[str] = "measured"


class AverageWork(Work):
    """Averages the network's state after every step, running statistics along with the weights; training goes on as if
    nothing had been averaged."""

    average: dict[str, Tensor] | None = None

    def updated(self, step: Step) -> None:
        newest = self.newest(step)
        state = step.network.state_dict()
        if self.average is None:
            self.average = {name: value.clone() for name, value in state.items()}
        for name, mean in self.average.items():
            mean.mul_(along(1 - newest, mean)).add_(state[name] * along(newest, mean))

    def newest(self, step: Step) -> Tensor:
        """The share (R,) of the newest state in the average, in float64."""
        raise NotImplementedError

    def weights(self, network: Network) -> dict[str, Tensor] | None:
        return self.average
