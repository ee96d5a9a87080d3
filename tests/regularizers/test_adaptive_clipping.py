"""Adaptive gradient clipping."""

from __future__ import annotations

import torch

from stages.networks import NETWORKS
from stages.streams import Streams
from tests.regularizers.steps import some, step, taken, work
from tests.training.conftest import CPU, SHAPE, Settings, every_kind, run, same


@every_kind
def test_of_each_unit_it_is_the_authors_formula(network: str) -> None:
    stack = NETWORKS[network].stack(2, SHAPE, 3, CPU)
    stack.draw(Streams([0, 1], CPU))
    x, y = some(2, 20, 16, 3)
    x = x.reshape(2, 20, *SHAPE)
    taken(stack, step(x, y))
    plain = {name: p.grad.clone() for name, p in stack.named_parameters() if p.grad is not None}
    taken(stack, step(x, y), work("adaptive_clipping", {"factor": 0.02}, {"factor": 0.05}))
    output, clipped = {id(p) for p in stack.weighted[-1].parameters()}, 0
    for name, p in stack.named_parameters():
        assert p.grad is not None
        for r, factor in enumerate((0.02, 0.05)):
            w, g = p[r].detach(), plain[name][r]
            rows = [(w, g, p.grad[r])] if w.dim() == 1 else zip(w, g, p.grad[r], strict=True)
            for weight, before, after in rows:
                bound = factor * max(weight.norm().item(), 1e-3)
                if id(p) in output or before.norm() <= bound:
                    assert torch.equal(after, before)
                else:
                    clipped += 1
                    assert torch.allclose(after, before * bound / before.norm(), rtol=1e-4, atol=1e-8)
    assert clipped > 10


@every_kind
def test_an_endless_factor_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, adaptive_clipping={"factor": 1e9}), run(chosen))
    assert not same(run(chosen, adaptive_clipping={"factor": 0.01}), run(chosen))
