"""Noise on gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.closed_forms import Scripted, idle, linear, step, work
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind


class Mirrored(Scripted):
    """The draws of the second replica are those of the first with the other sign."""

    def normal(self, purpose: str, *shape: int) -> Tensor:
        draws = Streams([5], CPU).normal(purpose, *shape)
        return torch.cat([draws, -draws])


def test_on_a_linear_loss_the_expected_weights_are_those_without_noise() -> None:
    """And they differ by the learning rate times the sum of all draws, each less than the one before."""
    network, lr, eta = linear(2, 2), 0.1, 0.3
    before = [p.detach().clone() for p in network.parameters()]
    slopes = [torch.ones_like(p) for p in before]
    method, deviations = work("gradient_noise", {"eta": eta, "gamma": 0.55}, {"eta": eta, "gamma": 0.55}), 0.0
    for t in range(20):
        for p, slope in zip(network.parameters(), slopes, strict=True):
            p.grad = slope.clone()
        method.gradients(step(network, t, Mirrored(torch.zeros(2))), lambda: None)
        with torch.no_grad():
            for p in network.parameters():
                assert p.grad is not None
                p -= lr * p.grad
        deviations += (eta / (1 + t) ** 0.55) ** 0.5
    for number, (p, start) in enumerate(zip(network.parameters(), before, strict=True)):
        assert torch.allclose(p.mean(0), start[0] - 20 * lr, atol=1e-5)
        draws = Streams([5], CPU).normal(f"gradient_noise.{number}", *p.shape[1:])[0]
        assert torch.allclose(p[0] - p[1], -2 * lr * deviations * draws, atol=1e-5)


@pytest.mark.parametrize("t", [0, 99])
def test_the_variance_falls_with_the_steps_and_is_each_replicas_own(t: int) -> None:
    network = NETWORKS["AnimalNet"].stack(2, SHAPE, CLASSES, CPU)
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    work("gradient_noise", {"eta": 0.01, "gamma": 0.55}, {"eta": 1.0, "gamma": 0.55}).gradients(
        step(network, t), lambda: None
    )
    noise = torch.cat([p.grad.flatten(1) for p in network.parameters() if p.grad is not None], 1)
    assert noise.var(1).tolist() == pytest.approx([eta / (1 + t) ** 0.55 for eta in (0.01, 1.0)], rel=0.05)


@every_kind
def test_without_noise_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"gradient_noise": {"eta": 0.0, "gamma": 0.55}})
