"""Soft orthogonality."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.closed_forms import idle, penalty, with_weights
from tests.training.conftest import Settings, every_kind, run


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5)])
def test_it_is_zero_for_orthonormal_rows_or_columns_alone(shape: tuple[int, int]) -> None:
    tall = torch.linalg.qr(drawn(max(shape), min(shape))).Q
    weight = (tall if shape[0] > shape[1] else tall.mT)[None]
    assert penalty("soft_orthogonality", with_weights(weight), [1.0]).item() < 1e-10
    assert penalty("soft_orthogonality", with_weights(1.1 * weight), [1.0]).item() == pytest.approx(
        min(shape) * 0.21**2, rel=1e-4
    )


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 7, 4), (2, 4, 2, 3, 3), (2, 20, 1, 3, 3)])
def test_value_and_gradient_have_a_closed_form(shape: tuple[int, ...]) -> None:
    network = with_weights(drawn(*shape))
    found = penalty("soft_orthogonality", network, [0.5, 2.0])
    (layer,) = network.weighted
    assert layer.weight.grad is not None
    assert layer.bias.grad is None
    for replica, strength in enumerate((0.5, 2.0)):
        w = layer.weight[replica].detach().flatten(1).double()
        excess = w @ w.T - torch.eye(len(w))
        # Of W W' and W'W the one that is larger has further eigenvalues that are zero, and misses one in each.
        value = excess.square().sum().item() - max(0, len(w) - w.shape[1])
        assert found[replica].item() == pytest.approx(strength * value, rel=1e-5)
        expected = strength * 4 * excess @ w
        assert torch.allclose(layer.weight.grad[replica].flatten(1).double(), expected, rtol=1e-4, atol=1e-3)


@every_kind
def test_without_strength_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"soft_orthogonality": {"strength": 0.0}})


def test_it_brings_singular_values_near_one(settings: Settings) -> None:
    network = run(settings(epochs=200), soft_orthogonality={"strength": 0.1}).network
    for layer in network.weighted:
        assert torch.allclose(torch.linalg.svdvals(layer.weight[0].detach()), torch.tensor(1.0), atol=0.3)
