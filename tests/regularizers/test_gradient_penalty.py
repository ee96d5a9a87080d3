"""Penalty on the loss's gradient."""

from __future__ import annotations

import torch

from tests.regularizers.steps import ce, gradient, linear, some, step, taken, work
from tests.training.conftest import Settings, every_kind, run, same


def test_its_gradient_is_the_hessian_times_the_gradient() -> None:
    """(1 + strength H) g, of each replica by its own."""
    network, (x, y) = linear(2, 4, 3), some(2, 20, 4, 3)
    taken(network, step(x, y), work("gradient_penalty", {"strength": 0.1}, {"strength": 2.0}))
    found = gradient(network)
    for r, strength in enumerate((0.1, 2.0)):

        def of(flat: torch.Tensor, r: int = r) -> torch.Tensor:
            return ce(x[r].flatten(1) @ flat[:12].view(3, 4).T + flat[12:], y[r])

        w = torch.cat([p[r].detach().flatten() for p in network.parameters()])
        g = torch.autograd.functional.jacobian(of, w)
        hessian = torch.autograd.functional.hessian(of, w)
        assert torch.allclose(found[r], g + strength * hessian @ g, atol=1e-6)


def test_small_steps_with_it_are_near_a_large_step() -> None:
    """To second order: one step of size h and many small ones on the loss with a penalty of h / 2."""
    h, (x, y) = 0.2, some(1, 20, 4, 3)

    def end(steps: int, strength: float) -> torch.Tensor:
        network = linear(1, 4, 3)
        for _ in range(steps):
            taken(network, step(x, y), work("gradient_penalty", {"strength": strength}), lr=h / steps)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    large = end(1, 0.0)
    assert (end(200, h / 2) - large).norm() < 0.1 * (end(200, 0.0) - large).norm()


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, gradient_penalty={"strength": 0.0}), run(chosen))
    assert not same(run(chosen, gradient_penalty={"strength": 0.1}), run(chosen))
