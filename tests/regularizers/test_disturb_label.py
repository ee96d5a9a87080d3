"""DisturbLabel."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import ce, some_logits, step, work
from tests.training.conftest import Settings, every_kind, run, same


def test_the_mean_target_is_that_of_label_smoothing() -> None:
    """And as the cross-entropy is linear in it, so is the mean loss."""
    logits, y = some_logits(2, 40_000, 4)
    x = logits.detach()[..., None, None]
    now, smooth = step(x, y), step(x, y)
    work("disturb_label", {"share": 0.3}, {"share": 0.1}).batch(now)
    work("label_smoothing", {"epsilon": 0.3}, {"epsilon": 0.1}).batch(smooth)
    for label in range(4):
        for r in range(2):
            of_label = y[r, :, label] == 1
            assert torch.allclose(now.y[r, of_label].mean(0), smooth.y[r, of_label][0], atol=0.015)
    assert torch.allclose(ce(logits, now.y), ce(logits, smooth.y), atol=0.05)


def test_targets_stay_one_label_each_drawn_anew_in_every_step() -> None:
    y = torch.eye(3)[torch.arange(3).repeat(100)].expand(1, 300, 3)
    now = step(torch.zeros(1, 300, 1, 2, 2), y)
    method, wrong = work("disturb_label", {"share": 0.3}), []
    for _ in range(20):
        now.y = y
        method.batch(now)
        assert torch.equal(now.y.sum(-1), torch.ones(1, 300))
        assert set(now.y.unique().tolist()) == {0.0, 1.0}
        wrong.append((now.y != y).any(-1)[0])
    assert torch.stack(wrong).double().mean().item() == pytest.approx(0.3 * 2 / 3, abs=0.03)
    assert torch.stack(wrong).any(0).double().mean() > 0.9


@every_kind
def test_share_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, disturb_label={"share": 0.0}), run(chosen))
    assert not same(run(chosen, disturb_label={"share": 0.3}), run(chosen))
