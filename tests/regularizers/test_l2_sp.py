"""The L2 penalty towards the start."""

from __future__ import annotations

import torch

from tests.regularizers.closed_forms import idle, linear, step, work
from tests.training.conftest import Settings, every_kind, run, same, weights


def test_least_squares_end_where_ridge_regression_around_the_start_does() -> None:
    generator = torch.Generator().manual_seed(0)
    network, strengths = linear(2, 2), (0.5, 2.0)
    (layer,) = network.weighted
    layer.bias.data.zero_()
    start = layer.weight[0].detach().clone().double()
    x, y = torch.randn(20, 6, generator=generator), torch.randn(20, 2, generator=generator)
    method, now = work("l2_sp", *({"strength": s} for s in strengths)), step(network)
    for _ in range(400):
        method.batch(now)
        out = network(x.view(1, 20, 1, 2, 3).expand(2, -1, -1, -1, -1))
        errors = (out - layer.bias[:, None] - y).square().sum(2).mean(1) / 2
        (gradient,) = torch.autograd.grad(method.loss(now, errors).sum(), layer.weight)
        layer.weight.data -= 0.2 * gradient
    x, y = x.double(), y.double()
    for replica, strength in enumerate(strengths):
        left = y - x @ start.T
        moved = torch.linalg.solve(x.T @ x + 20 * strength * torch.eye(6), x.T @ left).T
        assert torch.allclose(layer.weight[replica].double(), start + moved, atol=1e-5)


def test_from_zeros_it_is_half_the_l2_penalty() -> None:
    network = linear(1, 2)
    both = []
    for key in ("l2_sp", "l2"):
        method = work(key, {"strength": 0.6})
        now = step(network)
        with torch.no_grad():
            kept = [p.clone() for p in network.parameters()]
            for p in network.parameters():
                p.zero_()
            method.batch(now)
            for p, value in zip(network.parameters(), kept, strict=True):
                p.copy_(value)
        method.batch(now)  # which takes no new start
        both.append(method.loss(now, torch.zeros(1)))
    assert torch.allclose(2 * both[0], both[1])


@every_kind
def test_without_strength_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"l2_sp": {"strength": 0.0}})


def test_the_first_step_is_the_plain_one(settings: Settings) -> None:
    """At the start there is nothing to pay."""
    assert same(run(settings(epochs=1)), run(settings(epochs=1), l2_sp={"strength": 1.0}))


def test_weights_stay_nearer_to_their_start(settings: Settings) -> None:
    start = weights(run(settings(epochs=1, lr=1e-30)).network)
    far = [(weights(run(settings(), l2_sp={"strength": s}).network) - start).norm().item() for s in (0, 0.1, 1)]
    assert far == sorted(far, reverse=True)
    assert far[2] < 0.5 * far[0]
