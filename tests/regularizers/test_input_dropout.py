"""Dropout of inputs."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.closed_forms import PIXELS, idle, linear, masks, scripted, squared_losses
from tests.training.conftest import Settings, every_kind


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_expected_loss_of_a_linear_network_is_that_of_ridge_regression(p: float) -> None:
    """Over all masks of an image: the loss plus p / (1 - p) times the sum over pixels of x^2 ||w||^2."""
    draws, chances = masks(6, p)
    x, y = torch.linspace(-1, 1, 6).view(PIXELS), torch.tensor([0.5, -2.0])
    # A draw of p or more stays.
    network = linear(64, 2, input_dropout={"p": p})
    scripted(network, draws * (1 - p) * 0.99 + draws * p)
    expected = (squared_losses(network, x, y) * chances).sum().item()
    (layer,) = network.weighted
    lengths = layer.weight[0].detach().square().sum(0)
    plain = squared_losses(network.eval(), x, y)[0].item()
    assert expected == pytest.approx(plain + p / (1 - p) * (x.flatten().square() * lengths).sum().item(), rel=1e-5)


@every_kind
def test_without_probability_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"input_dropout": {"p": 0.0}})
