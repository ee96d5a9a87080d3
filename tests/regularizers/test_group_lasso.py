"""The group lasso."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.closed_forms import idle, penalty, with_weights
from tests.training.conftest import Settings, every_kind, run


def test_with_groups_of_one_it_is_the_l1_penalty() -> None:
    network = with_weights(torch.tensor([[[1.0], [-2.0]], [[3.0], [0.0]]]))
    assert penalty("group_lasso", network, [0.5, 2.0]).tolist() == [0.5 * 3, 2.0 * 3]
    (layer,) = network.weighted
    assert layer.weight.grad is not None
    assert layer.weight.grad.flatten(1).tolist() == [[0.5, -0.5], [2.0, 0.0]]
    assert layer.bias.grad is None


@pytest.mark.parametrize("shape", [(2, 4, 7), (2, 4, 3, 3, 3)])
def test_it_is_the_norm_of_each_unit_times_the_root_of_its_size(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    network = with_weights(weight)
    found = penalty("group_lasso", network, [0.5, 2.0])
    lengths = torch.stack([torch.stack([unit.norm() for unit in replica]) for replica in weight])
    size = weight[0, 0].numel()
    assert torch.allclose(found, torch.tensor([0.5, 2.0]) * size**0.5 * lengths.sum(1))
    (layer,) = network.weighted
    assert layer.weight.grad is not None
    expected = weight[1, 2] / lengths[1, 2] * 2 * size**0.5
    assert torch.allclose(layer.weight.grad[1, 2], expected, atol=1e-6)


def test_a_rotation_of_the_inputs_changes_nothing() -> None:
    weight = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1))).Q
    turned = penalty("group_lasso", with_weights(weight @ rotation), [1.0])
    assert torch.allclose(turned, penalty("group_lasso", with_weights(weight), [1.0]))


@every_kind
def test_without_strength_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"group_lasso": {"strength": 0.0}})


def test_whole_units_become_small_together(settings: Settings) -> None:
    """By far more than under an L1 penalty of the same sum of weights."""

    def smallest(methods: dict[str, dict[str, float]]) -> float:
        lengths = run(settings(epochs=200), **methods).network.weighted[0].weight[0].norm(dim=1)
        return (lengths < 0.1 * lengths.max()).float().mean().item()

    assert smallest({"group_lasso": {"strength": 0.003}}) > smallest({}) + 0.2
