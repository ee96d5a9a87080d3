"""DropConnect."""

from __future__ import annotations

import pytest
import torch

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.closed_forms import PIXELS, idle, linear, masks, scripted, squared_losses, work
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_expected_loss_of_a_linear_network_is_that_of_ridge_regression(p: float) -> None:
    """Over all masks of its weights: the loss plus p / (1 - p) times the sum of w^2 x^2."""
    draws, chances = masks(12, p)
    x, y = torch.linspace(-1, 1, 6).view(PIXELS), torch.tensor([0.5, -2.0])
    network = linear(4096, 2, drop_connect={"p": p})
    scripted(network, draws * 0.999)
    expected = (squared_losses(network, x, y) * chances).sum().item()
    noise = (network.weighted[0].weight[0].detach().square() * x.flatten().square()).sum().item()
    plain = squared_losses(network.eval(), x, y)[0].item()
    assert expected == pytest.approx(plain + p / (1 - p) * noise, rel=1e-5)


@every_kind
def test_each_layer_has_a_mask_of_its_own_for_the_whole_batch(settings: Settings, network: str) -> None:
    stack = NETWORKS[network].stack(2, SHAPE, CLASSES, CPU)
    work("drop_connect", {"p": 0.5}, {"p": 0.1}).build(stack)
    stack.draw(Streams([3, 4], CPU))
    for layer in stack.weighted:
        used, weight = layer.used(), layer.weight
        for replica, p in enumerate((0.5, 0.1)):
            kept = used[replica] != 0
            assert (~kept).double().mean().item() == pytest.approx(p, abs=0.3 if kept.numel() < 200 else 0.05)
            assert torch.allclose(used[replica], weight[replica] * kept / (1 - p))
        assert not torch.equal(layer.used(), used)
        assert torch.equal(layer.eval().used(), weight)
    assert stack.norm().isfinite().all()
    x = torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).expand(-1, 4, -1, -1, -1)
    out = stack.train()(x)
    assert torch.allclose(out, out[:, :1].expand(-1, 4, -1), atol=1e-6)


@every_kind
def test_without_probability_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"drop_connect": {"p": 0.0}})
