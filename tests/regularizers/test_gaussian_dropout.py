"""Gaussian dropout."""

from __future__ import annotations

import pytest
import torch

from stages.networks.layers import Dropout
from stages.networks.noise import GaussianDropout
from stages.streams import Streams
from tests.regularizers.closed_forms import PIXELS, directions, idle, linear, scripted, squared_losses
from tests.training.conftest import CPU, Settings, every_kind


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_expected_loss_of_a_linear_network_is_that_of_ridge_regression(p: float) -> None:
    """As of dropout: the loss plus p / (1 - p) times the sum over units of x^2 ||w||^2."""
    x, y = torch.linspace(-1, 1, 6).view(PIXELS), torch.tensor([0.5, -2.0])
    network = linear(12, 2, "drop", gaussian_dropout={"p": p})
    scripted(network, directions(6))
    expected = squared_losses(network, x, y).mean().item()
    lengths = network.weighted[0].weight[0].detach().square().sum(0)
    plain = squared_losses(network.eval(), x, y)[0].item()
    assert expected == pytest.approx(plain + p / (1 - p) * (x.flatten().square() * lengths).sum().item(), rel=1e-5)


def test_mean_and_variance_are_dropouts_and_each_replicas_own() -> None:
    p, x = torch.tensor([0.1, 0.5]), torch.full((2, 400, 300), 2.0)
    for kind in (Dropout, GaussianDropout):
        layer = kind(p)
        layer.streams, layer.purpose = Streams([0, 1], CPU), "noise"
        out = layer(x).flatten(1).double()
        assert out.mean(1).tolist() == pytest.approx([2, 2], rel=0.01)
        assert out.var(1).tolist() == pytest.approx([4 / 9, 4], rel=0.02)
        assert torch.equal(layer.eval()(x), x)


@every_kind
def test_without_probability_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"gaussian_dropout": {"p": 0.0}})
