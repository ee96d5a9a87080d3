"""Layer normalization."""

from __future__ import annotations

import torch
from torch import nn

from stages.networks.network import Network
from stages.streams import Streams
from stages.training.loop import Job, build
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, regularizers, run


def built(settings: Settings, network: str) -> Network:
    methods = tuple(regularizers(layer_norm={}))
    stack, _ = build([Job(settings(network=network), methods, seed) for seed in (3, 4)], SHAPE, CLASSES, CPU)
    stack.draw(Streams([3, 4], CPU))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for place in stack.places("norm"):
            for parameter in place.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator))
    return stack


@every_kind
def test_it_is_pytorchs_over_the_units_of_each_place(settings: Settings, network: str) -> None:
    stack = built(settings, network)
    count = 0
    for place in stack.places("norm"):
        layer = place.hung["layer_norm"]
        shape = (2, 7, place.units) if network == "AnimalNet" else (2, 7, place.units, 3, 5)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        out = layer(x)
        for replica in range(2):
            norm = nn.LayerNorm(place.units)
            norm.load_state_dict({name: value[replica] for name, value in layer.state_dict().items()})
            expected = norm(x[replica].movedim(1, -1)).movedim(-1, 1)
            assert torch.allclose(out[replica], expected, atol=1e-6)
        count += 1
    assert count == {"AnimalNet": 2, "SmallConvNet": 2, "SmallResNet": 6}[network]


@every_kind
def test_an_output_depends_on_no_other_example_and_not_on_the_mode(settings: Settings, network: str) -> None:
    stack = built(settings, network)
    x = torch.randn(2, 6, *SHAPE, generator=torch.Generator().manual_seed(1))
    changed = x.clone()
    changed[:, 1:] = 9
    assert torch.allclose(stack(x)[:, 0], stack(changed)[:, 0], atol=1e-6)
    assert not torch.allclose(stack(x)[:, 1], stack(changed)[:, 1], atol=1e-2)
    assert torch.equal(stack.train()(x), stack.eval()(x))


def test_the_scale_of_a_layer_before_it_does_not_matter(settings: Settings) -> None:
    stack = built(settings, "AnimalNet")
    x = torch.randn(2, 6, *SHAPE, generator=torch.Generator().manual_seed(1))
    before = stack(x)
    with torch.no_grad():
        for layer in stack.weighted[:-1]:
            layer.weight.mul_(7)
            layer.bias.mul_(7)
    assert torch.allclose(stack(x), before, atol=1e-3)


def test_the_network_learns_scales_and_shifts(settings: Settings) -> None:
    state = run(settings(), layer_norm={}).network.state_dict()
    for number in (1, 2):
        assert not torch.equal(state[f"norm{number}.hung.layer_norm.weight"], torch.ones(1, (128, 32)[number - 1]))
        assert state[f"norm{number}.hung.layer_norm.bias"].abs().sum() > 0
