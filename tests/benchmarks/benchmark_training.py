"""One epoch and one training step of every variant, and the matrix products that a step cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from stages import config
from stages.config import Training
from stages.networks.network import Network
from stages.networks.products import product
from stages.regularizers import Regularizer
from stages.regularizers.base import Step
from stages.streams import Streams
from stages.training.device import find_device
from stages.training.examples import Examples
from stages.training.loop import Job, build, make_optimizer, take

PARAMS = config.load()
CLASSES = 3
# Variants are compared with each other minutes apart. On a CPU each is the work of one thread, so that its processor
# time is what it would take undisturbed, and other programs cannot shift one variant against the next.
TIMER = time.process_time if find_device(PARAMS.training.device).type == "cpu" else time.perf_counter

STACK = 5
"""Replicas in a stack, to see what sharing one saves."""

every_variant = pytest.mark.parametrize("variant", [name for name, own in PARAMS.variants.items() if not own.without])
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
    one_step, stack = stepper(PARAMS.training.model_copy(update={"network": network}), (), training)
    work = list(products(stack, training.images))
    flops = sum(2 * left.numel() * right.shape[-1] for left, right in work)
    with FlopCounterMode(display=False) as counted, counted_by_numpy() as own:
        one_step()
    assert flops == counted.get_total_flops() + sum(own), "these are not the products of a training step"

    def multiply() -> None:
        for left, right in work:
            product(left, right)
        finish(training.images.device)

    multiply()
    benchmark.extra_info["flops"] = flops
    benchmark(multiply)


def stepper(
    settings: Training, methods: Sequence[Regularizer], training: Examples
) -> tuple[Callable[[], None], Network]:
    """A function that does one training step on all images, and the stack that it trains."""
    images, targets = training.images, F.one_hot(training.labels, CLASSES).float()
    replicas, n = training.labels.shape
    jobs = [Job(settings, tuple(methods), seed) for seed in range(replicas)]
    network, works = build(jobs, tuple(images.shape[2:]), CLASSES, images.device)
    streams = Streams(range(replicas), images.device)
    network.draw(streams)
    optimizer = make_optimizer(jobs, works, list(network.parameters()))
    index = torch.arange(n, device=images.device).expand(replicas, n)

    def one_step() -> None:
        t = optimizer.steps % settings.epochs  # of a training without end, what schedules see begins again
        take(Step(images, targets, index, t, settings.epochs, network, streams, n), works, optimizer)
        finish(images.device)

    return one_step, network


@contextmanager
def counted_by_numpy() -> Iterator[list[int]]:
    """The floating-point operations of each product that NumPy is given meanwhile."""
    found: list[int] = []
    multiply = np.matmul

    def noted(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        found.append(2 * left.size * right.shape[-1])
        result: NDArray[Any] = multiply(left, right)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "matmul", noted)
        yield found


def products(network: Network, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(left, right) of each product of a step: a layer's outputs, the gradient of its weights and, but for the
    first layer, that of its inputs. A convolution is the product with the patches around all places."""
    sizes: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda layer, x, y: sizes.append(y[0].numel() // layer.bias.shape[1]))
        for layer in network.weighted
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    for number, (layer, places) in enumerate(zip(network.weighted, sizes, strict=True)):
        replicas, outputs, inputs = layer.weight.flatten(2).shape
        shapes = [(places, inputs, outputs), (outputs, places, inputs), (places, outputs, inputs)]
        for rows, inner, columns in shapes if number else shapes[:2]:
            left = torch.randn(replicas, rows, inner, device=images.device)
            right = torch.randn(replicas, inner, columns, device=images.device)
            yield left, right


def finish(device: torch.device) -> None:
    """Wait for the work that a GPU still has in its queue."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
