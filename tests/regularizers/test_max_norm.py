"""The max-norm constraint."""

from __future__ import annotations

import torch

from tests.regularizers.closed_forms import idle, step, with_weights, work
from tests.training.conftest import Settings, every_kind, run


@every_kind
def test_no_unit_is_longer_than_the_limit(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=8, batch_size=7)
    free = run(chosen).network
    bound = run(chosen, max_norm={"limit": 0.5}).network
    assert max(layer.weight[0].flatten(1).norm(dim=1).max().item() for layer in free.weighted) > 0.6
    for layer in bound.weighted:
        assert layer.weight[0].flatten(1).norm(dim=1).max() <= 0.5 * (1 + 1e-6)


def test_a_longer_unit_keeps_its_direction_and_a_shorter_one_all_its_bits() -> None:
    for shape in ((2, 3, 4), (2, 3, 2, 3, 3)):
        weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        lengths = weight.flatten(2).norm(dim=2)
        limits = [lengths[0].mean().item(), lengths[1].mean().item()]
        network, method = with_weights(weight), work("max_norm", *({"limit": limit} for limit in limits))
        (layer,) = network.weighted
        method.updated(step(network))
        for replica in range(2):
            for unit in range(3):
                before, after = weight[replica, unit], layer.weight[replica, unit]
                if lengths[replica, unit] < limits[replica]:
                    assert torch.equal(after, before)
                else:
                    assert torch.allclose(after, before * limits[replica] / lengths[replica, unit])
        once = layer.weight.detach().clone()
        method.updated(step(network))
        assert torch.allclose(layer.weight, once, rtol=1e-6, atol=0)
        assert torch.equal(layer.bias, torch.full_like(layer.bias, 5))


def test_zeros_stay_zeros() -> None:
    network = with_weights(torch.zeros(1, 2, 3))
    work("max_norm", {"limit": 1.0}).updated(step(network))
    assert network.weighted[0].weight.abs().sum() == 0


@every_kind
def test_a_limit_beyond_reach_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"max_norm": {"limit": 1e6}})
