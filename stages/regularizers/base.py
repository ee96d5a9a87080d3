"""What a method of regularization is: what ``params.yaml`` says of it, and what works while a stack trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from stages.history import History
    from stages.networks import Architecture
    from stages.networks.network import Network
    from stages.streams import Streams

ORDER = (
    "network",
    "images",
    "mixing",
    "targets",
    "attack",
    "criterion",
    "penalty",
    "total",
    "ascent",
    "gradients",
    "weights",
    "measured",
)
"""In which order methods act, whatever the order of their keys in ``params.yaml``: on the network's build; in a step on
single images, pairs of images, target probabilities, images against the network, in place of the cross-entropy, added
to it, on the sum, where gradients are computed anew, on gradients, on weights, on what is measured in place of these.
Methods that act on the same act in the order of their keys."""

SOLE = {"criterion": "the cross-entropy", "measured": "the weights that are measured"}
"""On what only one method of a variant may act, for it puts something else in its place."""


class Search(NamedTuple):
    """Where a hyperparameter is looked for."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"


class Given(NamedTuple):
    """What is known of a task before any training on it."""

    noise: str | None
    """The kind of its wrong labels; None for true ones."""
    rate: float
    """The share of labels that are drawn anew."""
    images: int | None
    """The number of training images; None for all that there are."""


class Regularizer(BaseModel):
    """What ``params.yaml`` says of a method. A subclass that names its ``key`` is a method, others are not.

    Its file in ``stages/regularizers/`` holds it and its work, and does not import torch when loaded: ``params.yaml``
    is checked without it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    key: ClassVar[str]
    """The name in ``params.yaml``."""
    title: ClassVar[str]
    paper: ClassVar[str]
    """Where the idea comes from: citation and link, shown in the report."""
    acts_on: ClassVar[str]
    """Its place in ``ORDER``."""
    search: ClassVar[dict[str, Search]] = {}
    """The range of each field that can be tuned."""
    differ: ClassVar[frozenset[str]] = frozenset()
    """The fields in which the replicas of one stack may differ; the others are the same for all."""
    work: ClassVar[type[Work]]

    def obstacle(self, network: Architecture) -> str:
        """Why it cannot act on a network, in words that follow the network's name; empty if it can.

        A variant with such a network is refused.
        """
        return ""

    def needless(self, task: Given) -> str:
        """Why it has nothing to do on a task, or not what it is for, in words that follow "it"; empty if it has.

        It is trained there, too, and shown as not applicable: no difference is a finding about the method.
        """
        return ""


@dataclass(frozen=True)
class Group:
    """Parameters that the optimizer treats alike; what may differ between replicas is (R,)."""

    parameters: list[Tensor]
    lr: Tensor
    """In float64, so that a schedule rounds it once."""
    weight_decay: Tensor
    momentum: Tensor
    """SGD's; Adam has its own."""

    @cached_property
    def decays(self) -> bool:
        """Whether the weights of any replica decay."""
        return bool(self.weight_decay.any())


@dataclass
class Step:
    """One step of training, as the hooks see it and may change it."""

    x: Tensor
    """Images (R, N, C, H, W) in [-1, 1]."""
    y: Tensor
    """Target probabilities (R, N, classes)."""
    index: Tensor
    """Which of its replica's training images each is: (R, N)."""
    t: int
    """Steps taken before."""
    total: int
    """Steps there are at most."""
    network: Network
    streams: Streams
    """Random numbers, a stream for each replica and purpose."""
    images: int
    """Training images of each replica."""
    logits: Tensor | None = None
    """What the newest pass gave: (R, N, classes)."""


class Work:
    """A method at work on one stack of R replicas. A subclass overrides the hooks it needs; attributes hold its state.

    Every tensor has a leading dimension R, and no hook may let one replica see another.
    """

    def __init__(self, specs: Sequence[Any], device: torch.device):
        """``specs`` are what ``params.yaml`` says for each of the R replicas."""
        self.specs, self.device = specs, device
        self._each: dict[str, Tensor] = {}

    def each(self, field: str) -> Tensor:
        """A field that may differ between replicas: (R,)."""
        if field not in self._each:
            import torch

            self._each[field] = torch.tensor([float(getattr(spec, field)) for spec in self.specs], device=self.device)
        return self._each[field]

    def shared(self, field: str) -> Any:
        """A field that is the same for all replicas of a stack."""
        return getattr(self.specs[0], field)

    def build(self, network: Network) -> None:
        """Hang modules at the network's places or reparametrize its weights, before these are drawn."""

    def groups(self, groups: list[Group]) -> list[Group]:
        """Change learning rates, decays and momenta of the parameters, or divide these into other groups."""
        return groups

    def schedule(self, t: int, total: int) -> float:
        """The factor on the learning rate at step t of ``total``."""
        return 1.0

    def batch(self, step: Step) -> None:
        """Put other tensors in the place of ``step.x`` and ``step.y``, before the pass.

        These themselves stay as they are, for they may be all there is of the training images.
        """

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        """From the loss so far (R,), the mean cross-entropy at first, the loss (R,) to go on with."""
        return loss

    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        """Change the gradients of the parameters; ``backward`` computes them anew at the weights as they are."""

    def updated(self, step: Step) -> None:
        """After the optimizer's step: change the weights, or take note of them."""

    def weights(self, network: Network) -> dict[str, Tensor] | None:
        """The state to measure and save in place of the network's own; None for that."""
        return None

    def keep(self, history: History) -> Tensor | None:
        """After a measurement: True (R,) for the replicas whose state, as measured, is the best so far to save.

        None leaves it to the last one measured with a finite loss.
        """
        return None

    def stop(self, history: History) -> Tensor | None:
        """After a measurement: True (R,) for the replicas that shall train no further."""
        return None

    every_epoch: ClassVar[bool] = False
    """Whether `keep` or `stop` need a measurement after every epoch."""


def log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities of logits (R, N, classes), in the layout in which `Linear` leaves these.

    Torch takes ten times as long where the classes, which are few, stand next to each other.
    """
    return logits.mT.log_softmax(-2).mT


def along(values: Tensor, parameter: Tensor) -> Tensor:
    """Values (R,) in the parameter's type, shaped to multiply it replica by replica."""
    return values.to(parameter.dtype).view(-1, *[1] * (parameter.dim() - 1))
