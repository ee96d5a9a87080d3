"""The training loop. There is one, for every method, network, device and number of replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.config import Training
from stages.errors import UserError
from stages.history import METRICS, History, measured_epochs
from stages.networks import NETWORKS
from stages.networks.network import Network, copy_replicas
from stages.regularizers import Regularizer
from stages.regularizers.base import ORDER, Group, Step, Work, log_softmax
from stages.streams import Streams
from stages.training.examples import Examples
from stages.training.steps import OPTIMIZERS, Optimizer


@dataclass(frozen=True)
class Trained:
    """The outcome for a stack: the network with the weights to save, and what was measured on the way."""

    network: Network
    history: History
    initial_norms: dict[str, Tensor]
    """By layer: the norm (R,) of its initial parameters."""
    final: dict[str, Tensor]
    """The metrics (R,) of the weights to save."""


@dataclass(frozen=True)
class Job:
    """How one replica is trained. Those of a stack share all but the seed, what their methods let differ, the learning
    rate and the momentum."""

    settings: Training
    methods: tuple[Regularizer, ...]
    seed: int


def train(
    jobs: Sequence[Job],
    training: Examples,
    validation: Examples,
    classes: int,
    on_epoch: Callable[[], None] = lambda: None,
    curve: bool = True,
) -> Trained:
    """Train a stack of replicas, one for each job, and measure them on the schedule of `measured_epochs`.

    A replica whose training loss is no longer finite is stopped and marked as diverged. What is saved of a replica is
    its state when it was last measured with a finite loss, or when a method such as early stopping last wanted it.
    ``on_epoch`` is called before every epoch and may raise to interrupt.
    Raises ``UserError`` if batch normalization would meet a batch of one image.
    """
    device, settings = training.images.device, jobs[0].settings
    streams = Streams([job.seed for job in jobs], device)
    network, works = build(jobs, tuple(training.images.shape[2:]), classes, device)
    network.draw(streams)
    optimizer = make_optimizer(jobs, works, list(network.parameters()))
    targets = F.one_hot(training.labels, classes).float()

    images, size = training.labels.shape[1], settings.batch_size
    if network.normalizes_batches and 1 in (images % size, size):
        raise UserError(
            f"params.yaml: training.batch_size: found {size}, which makes a batch of one of the {images} training "
            "images; batch normalization needs two or more, so choose another size"
        )
    total = settings.epochs * -(-images // size)
    epochs = measured_epochs(settings.epochs, any(work.every_epoch for work in works), curve)
    history = History(len(jobs), epochs, device)
    initial_norms = network.layer_norms()
    saved = {name: value.clone() for name, value in network.state_dict().items()}

    for epoch in range(settings.epochs + 1):
        on_epoch()
        if epoch == epochs[history.row + 1]:
            state = measure(history, network, works, training, validation)
            kept = [kept for work in works if (kept := work.keep(history)) is not None]
            copy_replicas(state, saved, torch.stack([history.active, *kept]).all(0))
            for work in works:
                stop = work.stop(history)
                if stop is not None:
                    history.active = history.active & ~stop
        if epoch == settings.epochs or not history.active.any():
            break
        for x, y, index in batches(training.images, targets, size, streams):
            step = Step(x, y, index, optimizer.steps, total, network, streams, images)
            take(step, works, optimizer)

    network.load_state_dict(saved)
    network.eval()
    return Trained(network, history, initial_norms, metrics(network, training, validation))


def build(
    jobs: Sequence[Job], image_shape: tuple[int, ...], classes: int, device: torch.device
) -> tuple[Network, list[Work]]:
    """The network of a stack for images (C, H, W), its weights not yet drawn, and the methods at work on it, in the
    order in which they act."""
    settings = jobs[0].settings
    network = NETWORKS[settings.network].scaled(settings.width).stack(len(jobs), image_shape, classes, device)
    works = [specs[0].work(specs, device) for specs in zip(*(job.methods for job in jobs), strict=True)]
    works.sort(key=lambda work: (ORDER.index(work.specs[0].acts_on), work.specs[0].key))
    for work in works:
        work.build(network)
    return network, works


def make_optimizer(jobs: Sequence[Job], works: Sequence[Work], parameters: list[Tensor]) -> Optimizer:
    """The optimizer of the settings, for groups of parameters as the methods want them."""
    device = parameters[0].device
    lr = torch.tensor([job.settings.lr for job in jobs], dtype=torch.double, device=device)
    momentum = torch.tensor([job.settings.momentum for job in jobs], device=device)
    groups = [Group(parameters, lr, torch.zeros_like(momentum), momentum)]
    for work in works:
        groups = work.groups(groups)
    return OPTIMIZERS[jobs[0].settings.optimizer](groups)


def batches(images: Tensor, targets: Tensor, size: int, streams: Streams) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The training images, their targets and indices in batches, in an order drawn anew in every epoch."""
    replicas, n = images.shape[:2]
    if size >= n:
        yield images, targets, torch.arange(n, device=images.device).expand(replicas, n)
        return
    stack = torch.arange(replicas, device=images.device)[:, None]
    for index in streams.permutation("batch_order", n).split(size, dim=1):
        yield images[stack, index], targets[stack, index], index


def take(step: Step, works: Sequence[Work], optimizer: Optimizer) -> None:
    """One step on the mean cross-entropy of target probabilities, as modified by the methods."""
    factor = 1.0
    for work in works:
        work.batch(step)
        factor *= work.schedule(step.t, step.total)

    def backward() -> None:
        step.logits = step.network(step.x)
        loss = -(step.y * log_softmax(step.logits)).sum(-1).mean(-1)
        for work in works:
            loss = work.loss(step, loss)
        optimizer.zero_grad()
        # The sum over replicas gives each replica the gradient of its own loss.
        loss.sum().backward()

    backward()
    for work in works:
        work.gradients(step, backward)
    optimizer.step(factor)
    for work in works:
        work.updated(step)


@torch.no_grad()
def measure(
    history: History, network: Network, works: Sequence[Work], training: Examples, validation: Examples
) -> dict[str, Tensor]:
    """Record losses, accuracies and norms, without noise; the state that was measured: the network's own, or the one
    that a method such as an average of weights puts in its place."""
    own = network.state_dict()
    wanted = [state for work in works if (state := work.weights(network)) is not None]
    before = {name: value.clone() for name, value in own.items()} if wanted else {}
    if wanted:
        network.load_state_dict(wanted[-1])
    network.eval()
    history.record(**metrics(network, training, validation))
    network.train()
    if not wanted:
        return own
    network.load_state_dict(before)
    return wanted[-1]


@torch.no_grad()
def metrics(network: Network, training: Examples, validation: Examples) -> dict[str, Tensor]:
    """Each of `history.METRICS` (R,), of a network in the mode of evaluation."""
    found: dict[str, Tensor] = {"param_norm": network.norm()}
    for part, examples in (("train", training), ("val", validation)):
        log_p = log_softmax(network(examples.images))
        predicted = log_p.max(-1).indices  # argmax, which is several times slower on a CPU
        for labels, suffix in ((examples.labels, ""), (examples.true, "_true")):
            found[f"{part}_loss{suffix}"] = -log_p.gather(-1, labels[..., None])[..., 0].mean(1)
            found[f"{part}_accuracy{suffix}"] = (predicted == labels).double().mean(1)
        if part == "train":
            wrong = examples.labels != examples.true
            for labels, name in ((examples.labels, "wrong_given"), (examples.true, "wrong_true")):
                found[name] = ((predicted == labels) & wrong).double().sum(1) / wrong.sum(1)
    return {name: found[name] for name in METRICS}
