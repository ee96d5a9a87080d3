"""Noise on inputs."""

from __future__ import annotations

import pytest
import torch

from stages.networks.noise import GaussianNoise
from stages.streams import Streams
from tests.regularizers.closed_forms import PIXELS, directions, idle, linear, scripted, squared_losses
from tests.training.conftest import CPU, Settings, every_kind


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_the_expected_loss_of_a_linear_network_is_that_of_ridge_regression(sigma: float) -> None:
    """The loss plus sigma^2 times the sum of squared weights."""
    x, y = torch.linspace(-1, 1, 6).view(PIXELS), torch.tensor([0.5, -2.0])
    network = linear(12, 2, input_noise={"sigma": sigma})
    scripted(network, directions(6))
    expected = squared_losses(network, x, y).mean().item()
    squares = network.weighted[0].weight[0].square().sum().item()
    plain = squared_losses(network.eval(), x, y)[0].item()
    assert expected == pytest.approx(plain + sigma**2 * squares, rel=1e-5)


def test_draws_have_each_replicas_own_deviation() -> None:
    layer = GaussianNoise(torch.tensor([0.1, 2.0]))
    layer.streams, layer.purpose = Streams([0, 1], CPU), "noise"
    x = torch.full((2, 400, 300), 3.0)
    noise = (layer(x) - 3).flatten(1).double()
    assert (noise.mean(1).abs() < torch.tensor([0.001, 0.02])).all()
    assert noise.std(1).tolist() == pytest.approx([0.1, 2.0], rel=0.01)
    assert torch.equal(layer.eval()(x), x)


@every_kind
def test_without_noise_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"input_noise": {"sigma": 0.0}})
