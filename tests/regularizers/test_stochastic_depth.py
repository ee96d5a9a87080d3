"""Stochastic depth."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from stages.networks import NETWORKS
from stages.networks.layers import Residual
from stages.networks.network import Network
from stages.networks.noise import StochasticDepth
from stages.regularizers.stochastic_depth import StochasticDepth as Method
from stages.streams import Streams
from tests.regularizers.closed_forms import Scripted, idle, work
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings


def built(replicas: int, p: float) -> Network:
    stack = NETWORKS["SmallResNet"].stack(replicas, SHAPE, CLASSES, CPU)
    work("stochastic_depth", *[{"p": p}] * replicas).build(stack)
    stack.draw(Streams([7] * replicas, CPU))
    return stack


def blocks(stack: Network) -> list[Residual]:
    return [module for module in stack.modules() if isinstance(module, Residual)]


def test_deeper_blocks_fall_out_more_often() -> None:
    modules = [module for module in built(1, 0.4).modules() if isinstance(module, StochasticDepth)]
    assert [module.p.tolist() for module in modules] == [pytest.approx([0.2]), pytest.approx([0.4])]


def test_over_all_outcomes_a_block_gives_what_it_gives_without() -> None:
    """A block that falls out leaves its shortcut alone."""
    p, outcomes = 0.4, list(product([0.0, 1.0], repeat=3))
    stack = built(8, p)
    for number, block in enumerate(blocks(stack), start=1):
        rate, channels = p * number / 2, 16
        for module in block.modules():
            if isinstance(module, StochasticDepth):
                module.streams = Scripted(torch.tensor(outcomes) * 0.99)
        x = torch.randn(3, channels, 4, 4, generator=torch.Generator().manual_seed(0)).expand(8, -1, -1, -1, -1)
        out, without = block.train()(x), block.eval()(x)
        beside = x if block.shortcut is None else block.shortcut(x)
        for r, kept in enumerate(outcomes):
            for n in range(3):
                expected = beside[r, n] + kept[n] / (1 - rate) * (without - beside)[r, n]
                assert torch.allclose(out[r, n], expected, atol=1e-5)
        chances = torch.tensor([[1 - rate if kept else rate for kept in each] for each in outcomes]).prod(1)
        mean = (out * chances.view(8, 1, 1, 1, 1)).sum(0)
        assert torch.allclose(mean, without[0], atol=1e-5)


def test_each_example_has_its_own_draw() -> None:
    stack = built(1, 0.5)
    x = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).expand(-1, 200, -1, -1, -1)
    seen = {tuple((row * 1e4).round().int().tolist()) for row in stack(x)[0].detach()}
    assert len(seen) == 4  # two blocks, each there or not


def test_without_probability_it_does_nothing(settings: Settings) -> None:
    assert idle(settings, "SmallResNet", {"stochastic_depth": {"p": 0.0}})


def test_it_needs_residual_branches() -> None:
    fitting = {name for name, network in NETWORKS.items() if not Method(p=0.5).obstacle(network)}
    assert fitting == {"SmallResNet"}
    assert all(NETWORKS[name].stack(1, SHAPE, CLASSES, CPU).places("branch") for name in fitting)
