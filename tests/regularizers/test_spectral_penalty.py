"""The penalty on the largest singular value."""

from __future__ import annotations

import pytest
import torch

from stages.networks.network import Network
from stages.regularizers.base import Step
from stages.regularizers.spectral_penalty import SpectralPenalty, SpectralPenaltyWork
from tests.regularizers.closed_forms import idle, penalty, with_weights
from tests.training.conftest import Settings, every_kind, run


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def largest(network: Network, replica: int) -> list[float]:
    return [torch.linalg.svdvals(layer.weight[replica].detach().flatten(1))[0].item() for layer in network.weighted]


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 7, 4), (2, 4, 2, 3, 3)])
def test_value_and_gradient_are_those_of_the_decomposition(shape: tuple[int, ...]) -> None:
    """After as many steps as a matrix at rest needs."""
    network = with_weights(drawn(*shape), drawn(2, 3, 5))
    found = penalty("spectral_penalty", network, [0.5, 2.0], steps=300)
    for replica, strength in enumerate((0.5, 2.0)):
        assert found[replica].item() == pytest.approx(strength / 2 * sum(s**2 for s in largest(network, replica)))
        for layer in network.weighted:
            u, s, v = torch.linalg.svd(layer.weight[replica].detach().flatten(1), full_matrices=False)
            assert layer.weight.grad is not None
            expected = strength * s[0] * u[:, :1] @ v[:1]
            assert torch.allclose(layer.weight.grad[replica].flatten(1), expected, atol=1e-5)
            assert layer.bias.grad is None


def test_of_rank_one_it_is_half_the_l2_penalty_at_once() -> None:
    weight = drawn(1, 5, 1) * drawn(1, 1, 6)
    assert penalty("spectral_penalty", with_weights(weight), [3.0]).item() == pytest.approx(1.5 * weight.square().sum())


def test_it_keeps_up_with_weights_that_move(settings: Settings) -> None:
    seen: list[tuple[float, float]] = []

    class Seen(SpectralPenaltyWork):
        def loss(self, step: Step, loss: torch.Tensor) -> torch.Tensor:
            total = super().loss(step, loss)
            exact = sum(s**2 for s in largest(step.network, 0)) * 0.05
            seen.append(((total - loss).item(), exact))
            return total

    class OfATest(SpectralPenalty):
        work = Seen

    run(settings(epochs=100), others=[OfATest(strength=0.1)])
    shares = [found / exact for found, exact in seen]
    assert len(shares) == 100
    assert min(shares) > 0.85
    assert sum(shares) / 100 > 0.97
    assert max(shares) <= 1 + 1e-5


@every_kind
def test_without_strength_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"spectral_penalty": {"strength": 0.0}})
