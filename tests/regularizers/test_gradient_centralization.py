"""Gradient centralization."""

from __future__ import annotations

import torch

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.steps import gradient, linear, some, step, taken, work
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, run, same


@every_kind
def test_means_of_a_units_weights_stay(settings: Settings, network: str) -> None:
    initial = NETWORKS[network].stack(1, SHAPE, CLASSES, CPU)
    initial.draw(Streams([0], CPU))
    chosen = settings(network=network)
    trained, plain = run(chosen, gradient_centralization={}), run(chosen)
    for before, after, free in zip(initial.weighted, trained.network.weighted, plain.network.weighted, strict=True):
        means = [layer.weight.detach().flatten(2).mean(-1) for layer in (before, after, free)]
        assert torch.allclose(means[1], means[0], atol=1e-5)
        assert not torch.allclose(means[2], means[0], atol=1e-4)
        assert not torch.allclose(after.bias, before.bias, atol=1e-4)


def test_twice_is_once_and_a_bias_is_left_alone() -> None:
    network, (x, y) = linear(2, 6, 3), some(2, 20, 6, 3)
    method = work("gradient_centralization", {}, {})
    now = taken(network, step(x, y))
    plain = gradient(network)
    method.gradients(now, lambda: None)
    once = gradient(network)
    weight = plain[:, :18].view(2, 3, 6)
    assert torch.allclose(once[:, :18].view(2, 3, 6), weight - weight.mean(-1, keepdim=True))
    assert torch.equal(once[:, 18:], plain[:, 18:])
    method.gradients(now, lambda: None)
    assert torch.allclose(gradient(network), once, atol=1e-8)


def test_it_changes_what_is_trained(settings: Settings) -> None:
    assert not same(run(settings(epochs=3), gradient_centralization={}), run(settings(epochs=3)))
