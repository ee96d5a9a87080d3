"""Gradient clipping."""

from __future__ import annotations

import torch

from tests.regularizers.steps import gradient, linear, some, step, taken, work
from tests.training.conftest import Settings, every_kind, run, same


def test_of_each_replica_it_is_pytorchs() -> None:
    network, (x, y) = linear(3, 6, 3), some(3, 20, 6, 3)
    taken(network, step(x, y))
    plain = gradient(network)
    bounds = [0.01, 0.1, 100.0]
    taken(network, step(x, y), work("gradient_clipping", *[{"norm": bound} for bound in bounds]))
    found = gradient(network)
    for r, bound in enumerate(bounds):
        parameter = torch.nn.Parameter(torch.zeros_like(plain[r]))
        parameter.grad = plain[r].clone()
        torch.nn.utils.clip_grad_norm_([parameter], bound)
        assert torch.allclose(found[r], parameter.grad, rtol=1e-4, atol=1e-8)
    assert torch.allclose(found[0].norm(), torch.tensor(0.01), rtol=1e-5)
    assert torch.equal(found[2], plain[2])


def test_a_gradient_of_zero_stays() -> None:
    network, (x, y) = linear(1, 6, 3), some(1, 20, 6, 3)
    taken(network, step(x, 0 * y), work("gradient_clipping", {"norm": 1.0}))
    assert torch.equal(gradient(network), torch.zeros(1, 21))


@every_kind
def test_an_endless_bound_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, gradient_clipping={"norm": 1e9}), run(chosen))
    assert not same(run(chosen, gradient_clipping={"norm": 0.01}), run(chosen))
