"""Adversarial training."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.regularizers.steps import ce, linear, some, step, taken, work
from tests.training.conftest import Methods, Settings, every_kind, run, same


def test_of_logistic_regression_every_margin_shrinks_by_the_l1_norm() -> None:
    """Epsilon is a share of a range that is two wide."""
    network, (x, y) = linear(2, 6, 2), some(2, 20, 6, 2)
    now = taken(network, step(x / 2, y), work("fgsm_training", {"epsilon": 0.05}, {"epsilon": 0.2}))
    assert now.logits is not None
    weight = network.weighted[-1].weight.detach()
    normal = weight[:, 1] - weight[:, 0]
    sign = 2 * y[..., 1] - 1
    clean = network(x / 2)
    margin = sign * (clean[..., 1] - clean[..., 0])
    reduced = margin - 2 * torch.tensor([0.05, 0.2])[:, None] * normal.abs().sum(1, keepdim=True)
    assert torch.allclose(ce(now.logits, y), F.softplus(-reduced).mean(1), atol=1e-5)


def test_no_pixel_leaves_the_range() -> None:
    network, (x, y) = linear(1, 6, 3), some(1, 20, 6, 3)
    now = taken(network, step(x, y), work("fgsm_training", {"epsilon": 0.5}))
    assert now.x.abs().max() == 1
    moved = (now.x - x).abs()
    assert torch.allclose(moved[now.x.abs() < 1], torch.tensor(1.0), atol=1e-6)
    assert (moved > 0).any()


@pytest.mark.parametrize("others", [{}, {"batch_norm": {"momentum": 0.1}}])
@every_kind
def test_epsilon_zero_changes_nothing(settings: Settings, network: str, others: Methods) -> None:
    chosen = settings(network=network, epochs=3, batch_size=8)
    assert same(run(chosen, fgsm_training={"epsilon": 0.0}, **others), run(chosen, **others))
    assert not same(run(chosen, fgsm_training={"epsilon": 0.05}, **others), run(chosen, **others))
