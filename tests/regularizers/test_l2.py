"""The L2 penalty."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.networks.layers import Linear
from tests.regularizers.common import flat, notebook_layer, plain_end, step, work
from tests.training.conftest import Settings, every_kind, run, weights


def test_the_notebooks_linear_layer_has_its_printed_norm() -> None:
    now = step(torch.zeros(1, 1, 20), torch.zeros(1), notebook_layer(Linear))
    penalty = work("l2", {"strength": 1.0}).loss(now, torch.zeros(1))
    assert penalty.item() == pytest.approx(7.328375816345215, rel=1e-6)


def test_it_adds_to_each_replicas_loss_its_own_strength_times_its_own_sum() -> None:
    layer = Linear(2, 2, 1, torch.device("cpu"))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, -2.0]], [[3.0, 0.0]]]))
        layer.bias.copy_(torch.tensor([[-4.0], [5.0]]))
    now = step(torch.zeros(2, 1, 2), torch.zeros(2), layer)
    loss = work("l2", {"strength": 0.5}, {"strength": 2.0}).loss(now, torch.tensor([10.0, 20.0]))
    assert loss.tolist() == [10 + 0.5 * 21, 20 + 2.0 * 34]


@every_kind
def test_training_with_it_is_pytorchs_with_the_sum_in_the_loss(settings: Settings, network: str) -> None:
    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(x), y) + 0.05 * sum(p.square().sum() for p in model.parameters())

    chosen = settings(network=network, epochs=5)
    ours = weights(run(chosen, l2={"strength": 0.05}).network)[0]
    assert torch.allclose(ours, flat(plain_end(chosen, loss)), atol=1e-5)
    assert (ours - weights(run(chosen).network)[0]).abs().max() > 0.001


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weight_decay_is_an_l2_penalty_of_half_the_strength(settings: Settings, optimizer: str) -> None:
    chosen = settings(optimizer=optimizer, lr=0.1 if optimizer == "sgd" else 0.003)
    decayed = weights(run(chosen, weight_decay={"strength": 0.2}).network)
    penalized = weights(run(chosen, l2={"strength": 0.1}).network)
    plain = weights(run(chosen).network)
    assert torch.allclose(decayed, penalized, atol=2e-4)
    assert (decayed - plain).abs().max() > 0.01


def test_beside_l1_it_is_the_elastic_net(settings: Settings) -> None:
    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        penalties = [0.01 * p.abs().sum() + 0.05 * p.square().sum() for p in model.parameters()]
        return F.cross_entropy(model(x), y) + sum(penalties)

    ours = weights(run(settings(), l1={"strength": 0.01}, l2={"strength": 0.05}).network)[0]
    assert torch.allclose(ours, flat(plain_end(settings(), loss)), atol=1e-5)
