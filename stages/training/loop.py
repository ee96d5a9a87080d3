"""The training loop. There is one, for every method, device and number of replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.config import Training
from stages.errors import UserError
from stages.models import NETWORKS, Network
from stages.regularizers import Regularizer
from stages.training import optimizers
from stages.training.examples import Examples
from stages.training.history import History
from stages.training.streams import Streams

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": optimizers.SGD,
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
}


@dataclass(frozen=True)
class Trained:
    """The outcome for a stack: the network with its final weights, and what was measured on the way."""

    network: Network
    history: History
    initial_norms: dict[str, Tensor]
    """By layer: the norm (R,) of its initial weights and biases."""


def train(
    settings: Training,
    regularizers: Sequence[Regularizer],
    training: Examples,
    validation: Examples,
    classes: int,
    seeds: Sequence[int],
    on_epoch: Callable[[], None] = lambda: None,
) -> Trained:
    """Train a stack of replicas, one per seed, and measure them after every epoch.

    A replica whose training loss is no longer finite is stopped and marked as diverged; it keeps the weights of its
    last epoch with a finite loss. ``on_epoch`` is called before every epoch and may raise to interrupt.
    Raises ``UserError`` if batch normalization would meet a batch of one image.
    """
    device = training.images.device
    streams = Streams(seeds, device)
    regularizers = [r.model_copy(deep=True) for r in regularizers]
    network = NETWORKS[settings.network].stack(len(seeds), tuple(training.images.shape[2:]), classes, device)
    for regularizer in regularizers:
        regularizer.build(network)
    network.draw(streams)
    parameters = list(network.parameters())
    optimizer = make_optimizer(settings, regularizers, parameters)
    targets = F.one_hot(training.labels, classes).float()

    images = training.labels.shape[1]
    if network.batch_norms and 1 in (images % settings.batch_size, settings.batch_size):
        raise UserError(
            f"params.yaml: training.batch_size: found {settings.batch_size}, which makes a batch of one of the "
            f"{images} training images; batch normalization needs two or more, so choose another size"
        )
    batches = -(-images // settings.batch_size)
    # With one batch, and nothing random in it, the outputs that measure epoch e are also those that step to e + 1.
    measuring_pass_trains = (
        batches == 1 and network.trains_as_it_predicts and not any(r.changes_inputs for r in regularizers)
    )
    history = History(len(seeds), settings.epochs, device)
    initial_norms = network.layer_norms()
    weights = network.state_dict()
    kept = {name: value.clone() for name, value in weights.items()}

    for epoch in range(settings.epochs + 1):
        on_epoch()
        with torch.set_grad_enabled(measuring_pass_trains):
            outputs = network(training.images)
        measure(history, network, outputs.detach(), training.labels, validation)
        if history.active.all():
            torch._foreach_copy_(list(kept.values()), list(weights.values()))
        else:
            network.copy_replicas(weights, kept, history.active)
        for regularizer in regularizers:
            stop = regularizer.stop(network, history)
            if stop is not None:
                history.active = history.active & ~stop
        if epoch == settings.epochs or not history.active.any():
            break
        if measuring_pass_trains:
            x, y = augment(training.images, targets, regularizers, streams)
            if x is not training.images:
                raise TypeError("a regularizer whose batch() changes the images must say changes_inputs = True")
            step(optimizer, outputs, y, regularizers, parameters)
            continue
        for x, y in shuffled_batches(training.images, targets, batches, settings.batch_size, streams):
            x, y = augment(x, y, regularizers, streams)
            step(optimizer, network(x, streams), y, regularizers, parameters)

    network.load_state_dict(kept)
    for regularizer in regularizers:
        regularizer.finish(network)
    return Trained(network, history, initial_norms)


def make_optimizer(
    settings: Training, regularizers: Sequence[Regularizer], parameters: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer as the settings and regularizers want it. All of torch's work elementwise: replicas stay apart.

    Its fused kernels would round the ends of a tensor otherwise than the rest, so that a replica's last bits depend on
    its neighbours in the stack.
    """
    options = {"lr": settings.lr, "weight_decay": 0.0, "foreach": True}
    if settings.optimizer == "sgd":
        options["momentum"] = settings.momentum
    for regularizer in regularizers:
        options = regularizer.optimizer(options)
    return OPTIMIZERS[settings.optimizer](parameters, **options)


def shuffled_batches(
    images: Tensor, targets: Tensor, batches: int, batch_size: int, streams: Streams
) -> Iterator[tuple[Tensor, Tensor]]:
    """The training examples in batches, in an order drawn anew in every epoch."""
    if batches == 1:
        yield images, targets
        return
    order = streams.permutation("batch_order", images.shape[1])
    replicas = torch.arange(len(images), device=images.device)[:, None]
    for chosen in order.split(batch_size, dim=1):
        yield images[replicas, chosen], targets[replicas, chosen]


def augment(x: Tensor, y: Tensor, regularizers: Sequence[Regularizer], streams: Streams) -> tuple[Tensor, Tensor]:
    for regularizer in regularizers:
        x, y = regularizer.batch(x, y, streams)
    return x, y


def step(
    optimizer: torch.optim.Optimizer,
    outputs: Tensor,
    targets: Tensor,
    regularizers: Sequence[Regularizer],
    parameters: list[torch.nn.Parameter],
) -> None:
    """One step on the mean cross-entropy plus penalties, from logits and target probabilities (R, N, classes)."""
    # The sum over replicas gives each replica the gradient of its own mean loss.
    loss = -(targets * outputs.log_softmax(-1)).sum(-1).mean(-1).sum()
    for regularizer in regularizers:
        penalty = regularizer.penalty(parameters)
        if penalty is not None:
            loss = loss + penalty.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def measure(history: History, network: Network, outputs: Tensor, labels: Tensor, validation: Examples) -> None:
    """Record losses, accuracies and norms; ``outputs`` are the logits of the training images, without noise."""
    train_loss, train_accuracy = loss_and_accuracy(outputs, labels)
    val_loss, val_accuracy = loss_and_accuracy(network(validation.images), validation.labels)
    history.record(
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        param_norm=network.norm(),
    )


def loss_and_accuracy(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean negative log likelihood in nats and share of correct predictions, each (R,), from logits (R, N, classes)."""
    losses = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none").mean(1)
    predicted = outputs.max(-1).indices  # argmax, which is several times slower on a CPU
    return losses, (predicted == labels).double().mean(1)
