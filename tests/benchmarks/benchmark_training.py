"""One epoch and one training step of every variant, and the matrix products that a step cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from stages.models import NETWORKS
from stages.training.streams import Streams
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stages import config
from stages.config import Training
from stages.regularizers import Regularizer
from stages.training.device import find_device
from stages.training.examples import Examples
from stages.training.loop import augment, make_optimizer, step

PARAMS = config.load()
CLASSES = 3
# Variants are compared with each other minutes apart. On a CPU each is the work of one thread, so that its processor
# time is what it would take undisturbed, and other programs cannot shift one variant against the next.
TIMER = time.process_time if find_device(PARAMS.training.device).type == "cpu" else time.perf_counter

STACK = 5
"""Replicas in a stack, to see what sharing one saves."""

every_variant = pytest.mark.parametrize("variant", PARAMS.variants)
every_network = pytest.mark.parametrize("network", sorted({v.training.network for v in PARAMS.variants.values()}))
every_stack = pytest.mark.parametrize("replicas", [1, STACK])


@pytest.mark.benchmark(group="epoch", timer=TIMER)
@every_stack
@every_variant
def test_epoch(
    benchmark: BenchmarkFixture,
    epochs: Callable[[Training, Sequence[Regularizer], int], Callable[[], None]],
    variant: str,
    replicas: int,
) -> None:
    """One epoch of the training loop: all train and val images measured, and the steps."""
    chosen = PARAMS.variant(variant)
    epoch = epochs(chosen.training, chosen.regularizers, replicas)
    epoch()
    benchmark.extra_info["parameters"] = chosen.parameters()
    benchmark(epoch)


@pytest.mark.benchmark(group="step", timer=TIMER)
@every_stack
@every_variant
def test_step(
    benchmark: BenchmarkFixture,
    examples: Callable[[int], tuple[Examples, Examples]],
    variant: str,
    replicas: int,
) -> None:
    """One training step on all training images: the batch prepared, forward, loss, penalties, backward, optimizer."""
    chosen = PARAMS.variant(variant)
    one_step, _ = stepper(chosen.training, chosen.regularizers, examples(replicas)[0])
    one_step()
    benchmark.extra_info["parameters"] = chosen.parameters()
    benchmark(one_step)


@pytest.mark.benchmark(group="products", timer=TIMER)
@every_stack
@every_network
def test_products(
    benchmark: BenchmarkFixture,
    examples: Callable[[int], tuple[Examples, Examples]],
    network: str,
    replicas: int,
) -> None:
    """The matrix products of a training step, of the same shapes, with nothing between them."""
    training, _ = examples(replicas)
    one_step, parameters = stepper(PARAMS.training.model_copy(update={"network": network}), (), training)
    work = list(products(parameters, training.labels.shape[1]))
    flops = sum(2 * left.numel() * right.shape[-1] for left, right, _ in work)
    with FlopCounterMode(display=False) as counted:
        one_step()
    assert flops == counted.get_total_flops(), "these are not the products of a training step"

    def multiply() -> None:
        for left, right, out in work:
            torch.bmm(left, right, out=out)
        finish(training.images.device)

    multiply()
    benchmark.extra_info["flops"] = flops
    benchmark(multiply)


def stepper(
    settings: Training, regularizers: Sequence[Regularizer], training: Examples
) -> tuple[Callable[[], None], list[nn.Parameter]]:
    """A function that does one training step, and the parameters that it moves."""
    images, targets = training.images, F.one_hot(training.labels, CLASSES).float()
    streams = Streams(range(len(images)), images.device)
    network = NETWORKS[settings.network].stack(len(images), tuple(images.shape[2:]), CLASSES, images.device)
    for regularizer in regularizers:
        regularizer.build(network)
    network.draw(streams)
    parameters = list(network.parameters())
    optimizer = make_optimizer(settings, regularizers, parameters)

    def one_step() -> None:
        x, y = augment(images, targets, regularizers, streams)
        step(optimizer, network(x, streams), y, regularizers, parameters)
        finish(images.device)

    return one_step, parameters


def products(parameters: list[nn.Parameter], images: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(left, right, out) of each product of a step: a layer's outputs, the gradient of its weights and, but for the
    first layer, that of its inputs."""
    for layer, weight in enumerate(parameter for parameter in parameters if parameter.dim() == 3):
        replicas, outputs, inputs = weight.shape
        shapes = [(images, inputs, outputs), (outputs, images, inputs), (images, outputs, inputs)]
        for rows, inner, columns in shapes if layer else shapes[:2]:
            left = torch.randn(replicas, rows, inner, device=weight.device)
            right = torch.randn(replicas, inner, columns, device=weight.device)
            yield left, right, torch.empty(replicas, rows, columns, device=weight.device)


def finish(device: torch.device) -> None:
    """Wait for the work that a GPU still has in its queue."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
