"""Jacobian penalty."""

from __future__ import annotations

import torch

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.steps import ce, linear, some, step, taken, work
from tests.training.conftest import CPU, SHAPE, Settings, every_kind, run, same


def extra(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
    """What one replica pays with one direction for each image."""
    method, now = work("jacobian_penalty", {"strength": strength}), step(x, y)
    method.batch(now)
    now.logits = network(now.x)
    return method.loss(now, 0 * ce(now.logits, y))[0]


def test_of_a_linear_map_it_is_the_sum_of_squares_of_its_weights() -> None:
    """On average over directions: many images, of which each has its own."""
    network, (x, y) = linear(1, 6, 3), some(1, 40_000, 6, 3)
    squares = network.weighted[-1].weight.detach().square().sum()
    assert torch.allclose(extra(network, x, y, 0.7), 0.7 / 2 * squares, rtol=0.02)


def test_for_one_class_there_is_one_direction() -> None:
    network, (x, y) = linear(1, 6, 1), some(1, 5, 6, 1)
    squares = network.weighted[-1].weight.detach().square().sum()
    assert torch.allclose(extra(network, x, y), squares / 2, rtol=1e-5)


@every_kind
def test_of_a_network_it_is_the_sum_of_squares_of_all_derivatives(network: str) -> None:
    stack = NETWORKS[network].stack(1, SHAPE, 3, CPU)
    stack.draw(Streams([0], CPU))
    x, y = some(1, 1, 16, 3)
    image = x.reshape(1, 1, *SHAPE)
    jacobian = torch.autograd.functional.jacobian(stack, image)
    many = image.expand(1, 4000, *SHAPE)
    assert torch.allclose(extra(stack, many, y.expand(1, 4000, 3)), jacobian.square().sum() / 2, rtol=0.05)


def test_its_gradient_is_twice_that_of_half_the_squares() -> None:
    network, (x, y) = linear(1, 6, 3), some(1, 40_000, 6, 3)
    taken(network, step(x, 0 * y), work("jacobian_penalty", {"strength": 1.0}))
    weight = network.weighted[-1].weight
    assert torch.allclose(weight.grad, weight.detach(), atol=0.02)  # type: ignore[arg-type]


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, jacobian_penalty={"strength": 0.0}), run(chosen))
    assert not same(run(chosen, jacobian_penalty={"strength": 0.1}), run(chosen))
