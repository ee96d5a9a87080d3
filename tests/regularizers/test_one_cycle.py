"""One-cycle schedule."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import work
from tests.training.conftest import Settings, run, same


@pytest.mark.parametrize("total", [11, 37, 150])
@pytest.mark.parametrize("rise", [0.1, 0.3, 0.5])
def test_it_is_pytorchs(total: int, rise: float) -> None:
    method = work("one_cycle", {"rise": rise})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total, pct_start=rise, cycle_momentum=False)
    for t in range(total):
        assert method.schedule(t, total) == pytest.approx(schedule.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        if t < total - 1:
            schedule.step()


def test_few_steps_have_finite_rates() -> None:
    for total in (1, 2, 3):
        for rise in (0.01, 0.3, 0.99):
            factors = [work("one_cycle", {"rise": rise}).schedule(t, total) for t in range(total)]
            assert all(0 < factor <= 1 for factor in factors)


def test_it_changes_what_is_trained(settings: Settings) -> None:
    assert not same(run(settings(epochs=5), one_cycle={"rise": 0.3}), run(settings(epochs=5)))
