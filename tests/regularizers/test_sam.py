"""Sharpness-aware minimization."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.networks.network import Network
from stages.regularizers.base import Regularizer, Step, Work
from tests.regularizers.steps import gradient, linear, some, step, taken, work
from tests.training.conftest import Methods, Settings, every_kind, run, same


def flat(network: Network) -> Tensor:
    return torch.cat([p.flatten(1) for p in network.parameters()], 1)


class Bowl(Work):
    """In place of the loss w'Hw/2 - b'w of all weights w."""

    hessian = torch.tensor([])
    slope = torch.tensor([])

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        w = flat(step.network)
        return 0 * loss + 0.5 * ((w @ self.hessian) * w).sum(1) - w @ self.slope


def test_on_a_quadratic_the_gradient_moves_by_rho_h_g_over_its_length() -> None:
    network, (x, y) = linear(3, 4, 2), some(3, 5, 4, 2)
    factor = torch.rand(10, 10, generator=torch.Generator().manual_seed(0))
    spec = type("Spec", (Regularizer,), {"key": "bowl", "acts_on": "criterion", "__module__": __name__})()
    bowl = Bowl([spec] * 3, torch.device("cpu"))
    bowl.hessian, bowl.slope = factor @ factor.T, torch.linspace(-1, 1, 10)
    before = flat(network).detach().clone()
    rhos = [0.05, 0.5, 0.0]
    taken(network, step(x, y), bowl, work("sam", *[{"rho": rho} for rho in rhos]))
    g = before @ bowl.hessian - bowl.slope
    expected = g + torch.tensor(rhos)[:, None] * (g @ bowl.hessian) / g.norm(dim=1, keepdim=True)
    assert torch.allclose(gradient(network), expected, atol=1e-4)
    assert torch.equal(flat(network), before)


def test_it_is_the_gradient_up_the_slope() -> None:
    network, (x, y) = linear(2, 6, 3), some(2, 20, 6, 3)
    taken(network, step(x, y))
    g = gradient(network)
    taken(network, step(x, y), work("sam", {"rho": 0.1}, {"rho": 0.3}))
    found = gradient(network)
    move = torch.tensor([0.1, 0.3])[:, None] * g / g.norm(dim=1, keepdim=True)
    with torch.no_grad():
        network.fc.weight += move[:, :18].view(2, 3, 6)  # type: ignore[union-attr]
        network.fc.bias += move[:, 18:]  # type: ignore[union-attr]
    taken(network, step(x, y))
    assert torch.allclose(gradient(network), found, atol=1e-6)


def test_gradients_are_clipped_after_it() -> None:
    network, (x, y) = linear(1, 6, 3), some(1, 20, 6, 3)
    taken(network, step(x, y), work("gradient_clipping", {"norm": 0.01}), work("sam", {"rho": 0.5}))
    assert gradient(network).norm().item() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("others", [{}, {"batch_norm": {"momentum": 0.1}}, {"elr": {"strength": 3.0, "beta": 0.7}}])
@every_kind
def test_rho_zero_changes_nothing(settings: Settings, network: str, others: Methods) -> None:
    chosen = settings(network=network, epochs=3, batch_size=8)
    assert same(run(chosen, sam={"rho": 0.0}, **others), run(chosen, **others))
    assert not same(run(chosen, sam={"rho": 0.05}, **others), run(chosen, **others))
