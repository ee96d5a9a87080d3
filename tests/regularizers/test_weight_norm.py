"""Weight normalization."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrizations

from stages.networks.layers import Conv2d, Linear, Weighted
from stages.networks.network import Network
from stages.networks.reparametrizations import WeightNorm
from stages.streams import Streams
from stages.training.loop import Job, build
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, regularizers, run


def hung(layer: Weighted) -> WeightNorm:
    module = layer.reparametrized.hung["weight_norm"]
    assert isinstance(module, WeightNorm)
    return module


def built(settings: Settings, network: str, **methods: dict[str, float]) -> Network:
    stack, _ = build(
        [Job(settings(network=network), tuple(regularizers(**methods)), seed) for seed in (3, 4)], SHAPE, CLASSES, CPU
    )
    stack.draw(Streams([3, 4], CPU))
    return stack


@every_kind
def test_the_network_starts_as_without(settings: Settings, network: str) -> None:
    x = torch.randn(2, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    normed, plain = built(settings, network, weight_norm={}), built(settings, network)
    assert torch.allclose(normed(x), plain(x), atol=1e-6)
    assert torch.allclose(normed.norm(), plain.norm())


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_weights_and_gradients_are_pytorchs(kind: str) -> None:
    """Of each replica alone; a unit of a convolution has one norm for its kernels of all inputs."""
    layer: Weighted = Linear(2, 6, 4, CPU) if kind == "linear" else Conv2d(2, 3, 4, 3, CPU)
    layer.reparametrized.hang("weight_norm", WeightNorm(2, 4, CPU))
    network = Network(2, {"layer": layer}, (), CPU)
    network.draw(Streams([0, 1], CPU))
    generator = torch.Generator().manual_seed(0)
    layer.weight.data *= torch.rand(2, 4, *[1] * (layer.weight.dim() - 2), generator=generator) + 0.5
    x = (
        torch.randn(2, 5, 6, generator=generator)
        if kind == "linear"
        else torch.randn(2, 5, 3, 8, 8, generator=generator)
    )
    out = network(x)
    out.square().sum().backward()
    for replica in range(2):
        plain = parametrizations.weight_norm(
            torch.nn.Linear(6, 4) if kind == "linear" else torch.nn.Conv2d(3, 4, 3, padding=1)
        )
        length, direction = plain.parametrizations.weight.original0, plain.parametrizations.weight.original1
        direction.data, length.data = (
            layer.weight[replica].detach(),
            hung(layer).scale[replica].detach().view_as(length),
        )
        plain.bias.data = layer.bias[replica].detach()
        expected = plain(x[replica])
        expected.square().sum().backward()
        assert torch.allclose(out[replica], expected, atol=1e-5)
        for ours, theirs in ((layer.weight, direction), (hung(layer).scale, length), (layer.bias, plain.bias)):
            assert ours.grad is not None
            assert torch.allclose(ours.grad[replica].flatten(), theirs.grad.flatten(), rtol=1e-4, atol=1e-4)


@every_kind
def test_units_are_as_long_as_their_scale_and_the_gradient_only_turns_them(settings: Settings, network: str) -> None:
    stack = built(settings, network, weight_norm={})
    with torch.no_grad():
        for layer in stack.weighted:
            hung(layer).scale.mul_(-1.7)
            layer.weight.mul_(3)
    x = torch.randn(2, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    stack(x).square().sum().backward()
    for layer in stack.weighted:
        lengths = layer.effective().flatten(2).norm(dim=2)
        assert torch.allclose(lengths, hung(layer).scale.abs(), rtol=1e-5)
        assert layer.weight.grad is not None
        along = (layer.weight.grad * layer.weight).flatten(2).sum(2)
        across = layer.weight.grad.flatten(2).norm(dim=2) * layer.weight.flatten(2).norm(dim=2)
        assert across.max() > 0
        assert (along.abs() <= 1e-5 * across + 1e-7).all()


def test_what_is_learned_as_a_direction_only_grows(settings: Settings) -> None:
    """For steps are orthogonal to it."""
    lengths = [
        run(settings(epochs=epochs, momentum=0.0), weight_norm={}).network.weighted[0].weight[0].norm(dim=1)
        for epochs in (1, 5, 20)
    ]
    assert (lengths[1] >= lengths[0] * (1 - 1e-6)).all()
    assert (lengths[2] >= lengths[1] * (1 - 1e-6)).all()
    assert lengths[2].sum() > lengths[0].sum()
