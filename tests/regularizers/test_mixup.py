"""Mixup."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import ce, linear, some, step, work
from tests.training.conftest import Settings, every_kind, run, same


def test_the_loss_is_that_of_both_labels_each_by_its_share() -> None:
    x, y = some(2, 12, 6, 3)
    network, now = linear(2, 6, 3), step(x, y)
    work("mixup", {"alpha": 0.5}, {"alpha": 2.0}).batch(now)
    streams = step(x, y).streams
    share, partner = streams.beta("mixup.share", [0.5, 2.0]), streams.permutation("mixup.partner", 12)
    assert share.unique().numel() == 2
    other = torch.stack([y[r, partner[r]] for r in range(2)])
    logits = network(now.x)
    expected = share * ce(logits, y) + (1 - share) * ce(logits, other)
    assert torch.allclose(ce(logits, now.y), expected, atol=1e-6)
    # Of a linear map the logits are mixed alike.
    pure = network(x)
    mixed = share[:, None, None] * pure + (1 - share)[:, None, None] * torch.stack(
        [pure[r, partner[r]] for r in (0, 1)]
    )
    assert torch.allclose(logits, mixed, atol=1e-6)


def test_the_mean_of_a_batch_stays() -> None:
    x, y = some(1, 50, 6, 3)
    now = step(x, y)
    work("mixup", {"alpha": 1.0}).batch(now)
    assert not torch.equal(now.x, x)
    assert torch.allclose(now.x.mean(1), x.mean(1), atol=1e-6)
    assert torch.allclose(now.y.mean(1), y.mean(1), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
def test_shares_have_the_spread_of_the_beta_distribution(alpha: float) -> None:
    x = torch.eye(2)[None, :, None, None]  # of two images, that trade places or not
    now = step(x, torch.eye(2)[None])
    shares, method = [], work("mixup", {"alpha": alpha})
    for _ in range(2000):
        now.x, now.y = x, torch.eye(2)[None]
        method.batch(now)
        if now.x[0, 0, 0, 0, 1] > 0:
            shares.append(now.y[0, 0, 0].item())
    drawn = torch.tensor(shares)
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.05)
    assert drawn.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


@every_kind
def test_alpha_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, mixup={"alpha": 0.0}), run(chosen))
    assert not same(run(chosen, mixup={"alpha": 0.4}), run(chosen))
