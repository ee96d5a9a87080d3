"""Spectral normalization."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.networks.layers import Conv2d, Linear, Weighted
from stages.networks.network import Network
from stages.networks.reparametrizations import SpectralNorm
from stages.streams import Streams
from stages.training.loop import Job, build
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, regularizers, run


def hung(layer: Weighted) -> SpectralNorm:
    module = layer.reparametrized.hung["spectral_norm"]
    assert isinstance(module, SpectralNorm)
    return module


def largest(weight: Tensor) -> Tensor:
    """Of each replica: (R,)."""
    return torch.linalg.svdvals(weight.detach().flatten(2))[:, 0]


def built(settings: Settings, network: str, iterations: int = 0) -> Network:
    methods = tuple(regularizers(spectral_norm={"iterations": 1}))
    stack, _ = build([Job(settings(network=network), methods, seed) for seed in (3, 4)], SHAPE, CLASSES, CPU)
    stack.draw(Streams([3, 4], CPU))
    for layer in stack.weighted:
        hung(layer).iterate(layer.weight, iterations)
    return stack


@every_kind
def test_the_largest_singular_value_becomes_one(settings: Settings, network: str) -> None:
    for layer in built(settings, network, 1000).weighted:
        assert torch.allclose(largest(layer.effective()), torch.ones(2), atol=1e-4)


@every_kind
def test_it_is_near_one_from_the_start_and_throughout_training(settings: Settings, network: str) -> None:
    """The value found is never too large."""
    chosen = settings(network=network, epochs=60)
    ends = [run(chosen, [0, 1], spectral_norm={"iterations": i}).network for i in (1, 5)]
    for stack, most in ((built(settings, network), 1.03), (ends[0], 1.25), (ends[1], 1.1)):
        for layer in stack.weighted:
            found = largest(layer.effective())
            assert (found >= 1 - 1e-5).all()
            assert (found <= most).all()


@pytest.mark.parametrize("layer", [Linear(2, 6, 4, CPU), Linear(2, 4, 7, CPU), Conv2d(2, 3, 4, 3, CPU)], ids=str)
def test_weight_and_gradient_are_those_of_the_weight_over_its_largest_singular_value(layer: Weighted) -> None:
    layer.reparametrized.hang("spectral_norm", SpectralNorm(2, layer.weight.shape[1], CPU))
    Network(2, {"layer": layer}, (), CPU).draw(Streams([0, 1], CPU))
    hung(layer).iterate(layer.weight, 500)
    towards = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0))
    (ours,) = torch.autograd.grad((layer.effective() * towards).sum(), layer.weight)
    weight = layer.weight.detach().double().requires_grad_()
    exact = weight / torch.linalg.svdvals(weight.flatten(2))[:, 0].view(2, *[1] * (weight.dim() - 1))
    (theirs,) = torch.autograd.grad((exact * towards).sum(), weight)
    assert torch.allclose(layer.effective().double(), exact, atol=1e-5)
    assert torch.allclose(ours.double(), theirs, atol=1e-4)


@every_kind
def test_the_scale_of_the_weights_does_not_matter(settings: Settings, network: str) -> None:
    stack = built(settings, network)
    x = torch.randn(2, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    before = stack(x)
    with torch.no_grad():
        for layer in stack.weighted:
            layer.weight.mul_(0.01)
    assert torch.allclose(stack(x), before, atol=1e-5)


def test_logits_move_by_no_more_than_the_image_does(settings: Settings) -> None:
    stack = built(settings, "AnimalNet", 1000)
    x, y = torch.randn(2, 2, 200, *SHAPE, generator=torch.Generator().manual_seed(0))
    moved = (stack(x) - stack(y)).norm(dim=2)
    assert (moved <= (x - y).flatten(2).norm(dim=2) * (1 + 1e-4)).all()


def test_a_pass_moves_nothing_and_evaluation_is_as_training(settings: Settings) -> None:
    stack = built(settings, "AnimalNet")
    x = torch.randn(2, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    state = {name: value.clone() for name, value in stack.state_dict().items()}
    outs = [stack(x), stack(x), stack.eval()(x)]
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])
    assert all(torch.equal(value, state[name]) for name, value in stack.state_dict().items())
