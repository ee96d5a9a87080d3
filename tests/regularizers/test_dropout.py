"""Dropout."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.networks import NETWORKS
from stages.networks.layers import Dropout
from stages.streams import Streams
from stages.training.loop import Job, build
from tests.networks.twins import copy, twin
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, regularizers, run, same


@pytest.mark.parametrize("name", NETWORKS)
def test_without_probability_it_does_nothing(settings: Settings, name: str) -> None:
    chosen = settings(network=name, epochs=3, batch_size=7)
    idle = run(chosen, dropout={"p": 0.0})
    assert same(idle, run(chosen)) == (name != "AnimalNetDropout")  # which has some of its own


def test_it_takes_the_place_of_the_networks_own(settings: Settings) -> None:
    jobs = [Job(settings(network="AnimalNetDropout"), tuple(regularizers(dropout={"p": p})), 0) for p in (0.1, 0.2)]
    for chosen, expected in ((jobs, [[0.1, 0.2]] * 2), ([Job(jobs[0].settings, (), 0)], [[0.5], [0.3]])):
        network, _ = build(chosen, SHAPE, CLASSES, CPU)
        found = [module.p for module in network.modules() if isinstance(module, Dropout)]
        assert torch.allclose(torch.cat(found), torch.tensor(expected).flatten())
        assert len(found) == 2


@pytest.mark.parametrize("name", ["AnimalNet", "BigAnimalNet", "AnimalNetDropout"])
def test_it_acts_between_the_linear_map_and_the_activation(settings: Settings, name: str) -> None:
    """On each replica with its own draws: units that are left count 1 / (1 - p) times, as in PyTorch."""
    seeds, p = (3, 4), [[0.4, 0.4], [0.1, 0.1]]
    methods = [regularizers(dropout={"p": each[0]}) for each in p]
    if name == "AnimalNetDropout":
        methods, p = [[], []], [[0.5, 0.3]] * 2
    jobs = [Job(settings(network=name), tuple(own), seed) for own, seed in zip(methods, seeds, strict=True)]
    network, _ = build(jobs, SHAPE, CLASSES, CPU)
    network.draw(Streams(seeds, CPU))
    x = torch.randn(2, 50, *SHAPE)
    inside: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, Dropout):
            module.register_forward_hook(lambda module, args, out: inside.append(out.detach()))
    out = network(x)
    for r in range(2):
        model = twin(name, SHAPE, CLASSES)
        copy(network, r, model)
        flatten, fc1, activation, fc2, _, fc3 = model
        hidden = fc1(flatten(x[r]))
        for after, follow, probability, place in ((inside[0], fc2, p[r][0], 0), (inside[1], fc3, p[r][1], 1)):
            left = after[r] != 0
            assert (~left).double().mean().item() == pytest.approx(probability, abs=0.05), place
            hidden = follow(activation(hidden * left / (1 - probability)))
        assert torch.allclose(out[r], hidden, atol=1e-5)
    assert torch.allclose(network.eval()(x)[1], model(x[1]), atol=1e-5)


@every_kind
def test_evaluation_has_none(settings: Settings, network: str) -> None:
    stack, _ = build([Job(settings(network=network), tuple(regularizers(dropout={"p": 0.5})), 0)], SHAPE, CLASSES, CPU)
    stack.draw(Streams([0], CPU))
    x = torch.randn(1, 9, *SHAPE)
    assert not torch.equal(stack(x), stack(x))
    plain = twin(network, SHAPE, CLASSES)
    copy(stack, 0, plain)
    assert torch.allclose(stack.eval()(x)[0], plain(x[0]), atol=1e-6)


def test_the_expected_input_of_the_next_layer_stays() -> None:
    layer = Dropout(torch.tensor([0.3]))
    layer.streams, layer.purpose = Streams([0], CPU), "dropout.0"
    x = torch.ones(1, 1000, 128)
    assert layer(x).mean().item() == pytest.approx(F.dropout(x, 0.3).mean().item(), abs=0.01)
