"""The L1 penalty."""

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
    penalty = work("l1", {"strength": 1.0}).loss(now, torch.zeros(1))
    assert penalty.item() == pytest.approx(48.445133209228516, rel=1e-6)


def test_it_adds_to_each_replicas_loss_its_own_strength_times_its_own_sum() -> None:
    layer = Linear(2, 2, 1, torch.device("cpu"))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, -2.0]], [[3.0, 0.0]]]))
        layer.bias.copy_(torch.tensor([[-4.0], [5.0]]))
    now = step(torch.zeros(2, 1, 2), torch.zeros(2), layer)
    loss = work("l1", {"strength": 0.5}, {"strength": 2.0}).loss(now, torch.tensor([10.0, 20.0]))
    assert loss.tolist() == [10 + 0.5 * 7, 20 + 2.0 * 8]
    loss.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[[0.5, -0.5]], [[2.0, 0.0]]]  # the subgradient zero at zero


@every_kind
def test_training_with_it_is_pytorchs_with_the_sum_in_the_loss(settings: Settings, network: str) -> None:
    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(x), y) + 0.01 * sum(p.abs().sum() for p in model.parameters())

    chosen = settings(network=network, epochs=5)
    ours = weights(run(chosen, l1={"strength": 0.01}).network)[0]
    assert torch.allclose(ours, flat(plain_end(chosen, loss)), atol=1e-5)
    assert (ours - weights(run(chosen).network)[0]).abs().max() > 0.001


def test_weights_become_smaller(settings: Settings) -> None:
    ends = [weights(run(settings(epochs=60), l1={"strength": s}).network).abs().sum().item() for s in (0, 1e-3, 1e-2)]
    assert ends == sorted(ends, reverse=True)
    assert ends[-1] < 0.5 * ends[0]
