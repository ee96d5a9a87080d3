"""The nuclear norm penalty."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.closed_forms import idle, penalty, with_weights
from tests.training.conftest import Settings, every_kind, run


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_of_a_diagonal_it_is_the_l1_penalty() -> None:
    diagonals = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 0.0]])
    network = with_weights(torch.diag_embed(diagonals))
    assert penalty("nuclear_norm", network, [0.5, 2.0]).tolist() == pytest.approx([0.5 * 3.5, 2.0 * 3.0])
    (layer,) = network.weighted
    assert layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad[0], torch.diag(torch.tensor([0.5, -0.5, 0.5])), atol=1e-6)
    assert torch.allclose(layer.weight.grad[1], torch.diag(torch.tensor([2.0, 0.0, 0.0])), atol=1e-6)
    assert layer.bias.grad is None


def test_rotations_of_inputs_and_outputs_change_nothing() -> None:
    weight, left, right = drawn(1, 5, 6), torch.linalg.qr(drawn(5, 5)).Q, torch.linalg.qr(drawn(6, 6, seed=1)).Q
    turned = penalty("nuclear_norm", with_weights(left @ weight @ right), [1.0])
    assert torch.allclose(turned, penalty("nuclear_norm", with_weights(weight), [1.0]))


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 7, 4), (2, 30, 30), (2, 4, 2, 3, 3), (2, 20, 1, 3, 3)])
def test_value_and_gradient_are_those_of_the_decomposition(shape: tuple[int, ...]) -> None:
    network = with_weights(drawn(*shape), drawn(2, 3, 5, seed=1))
    found = penalty("nuclear_norm", network, [0.5, 2.0])
    for replica, strength in enumerate((0.5, 2.0)):
        total = 0.0
        for layer in network.weighted:
            u, s, v = torch.linalg.svd(layer.weight[replica].detach().flatten(1).double(), full_matrices=False)
            total += strength * s.sum().item()
            assert layer.weight.grad is not None
            assert torch.allclose(layer.weight.grad[replica].flatten(1).double(), strength * u @ v, atol=1e-5)
        assert found[replica].item() == pytest.approx(total, rel=1e-6)


def test_of_zeros_value_and_gradient_are_zero() -> None:
    network = with_weights(torch.zeros(1, 3, 4))
    assert penalty("nuclear_norm", network, [1.0]).tolist() == [0]
    gradient = network.weighted[0].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() == 0


@every_kind
def test_without_strength_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"nuclear_norm": {"strength": 0.0}})


def test_ranks_become_small(settings: Settings) -> None:
    """The share of the singular values below a hundredth of the largest one."""

    def small(strength: float) -> float:
        weight = run(settings(epochs=100), nuclear_norm={"strength": strength}).network.weighted[1].weight[0]
        values = torch.linalg.svdvals(weight.detach())
        return (values < 0.05 * values[0]).float().mean().item()

    assert small(0.0) < 0.1
    assert small(0.01) > 0.5
