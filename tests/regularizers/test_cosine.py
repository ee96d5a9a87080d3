"""Cosine schedule."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import work
from tests.training.conftest import Settings, run, same


@pytest.mark.parametrize("total", [1, 2, 7, 150])
def test_it_is_pytorchs_and_has_a_closed_sum(total: int) -> None:
    method = work("cosine", {})
    ours = [method.schedule(t, total) for t in range(total)]
    assert sum(ours) == pytest.approx((total + 1) / 2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    for factor in ours:
        assert factor == pytest.approx(schedule.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        schedule.step()


def test_it_changes_what_is_trained(settings: Settings) -> None:
    chosen = settings(epochs=5)
    assert not same(run(chosen, cosine={}), run(chosen))
    assert same(run(settings(epochs=1), cosine={}), run(settings(epochs=1)))  # of one step
