"""Noise on weights."""

from __future__ import annotations

import pytest
import torch

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.closed_forms import PIXELS, directions, idle, linear, scripted, squared_losses, work
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_the_expected_loss_of_a_linear_network_grows_by_the_square_of_its_input(sigma: float) -> None:
    """By sigma^2 ||x||^2 for each of two outputs."""
    x, y = torch.linspace(-1, 1, 6).view(PIXELS), torch.tensor([0.5, -2.0])
    network = linear(24, 2, weight_noise={"sigma": sigma})
    scripted(network, directions(12))
    expected = squared_losses(network, x, y).mean().item()
    plain = squared_losses(network.eval(), x, y)[0].item()
    assert expected == pytest.approx(plain + 2 * sigma**2 * x.square().sum().item(), rel=1e-5)


@every_kind
def test_the_gradient_is_that_at_the_noisy_weights(settings: Settings, network: str) -> None:
    noisy, plain = (NETWORKS[network].stack(2, SHAPE, CLASSES, CPU) for _ in range(2))
    method = work("weight_noise", {"sigma": 0.1}, {"sigma": 0.3})
    method.build(noisy)
    noisy.draw(Streams([3, 4], CPU))
    plain.draw(Streams([3, 4], CPU))
    again = Streams([3, 4], CPU)
    with torch.no_grad():
        for number, layer in enumerate(plain.weighted):
            draws = again.normal(f"weight_noise.weight_noise.{number}", *layer.weight.shape[1:])
            layer.weight += draws * torch.tensor([0.1, 0.3]).view(2, *[1] * (draws.dim() - 1))
    x = torch.randn(2, 4, *SHAPE, generator=torch.Generator().manual_seed(0))
    for stack in (noisy, plain):
        stack(x).square().sum().backward()
    for ours, theirs in zip(noisy.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@every_kind
def test_without_noise_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"weight_noise": {"sigma": 0.0}})
