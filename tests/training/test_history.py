"""When a training is measured, and what is kept of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.history import METRICS, History, measured_epochs
from stages.statistics import still_falling

CPU = torch.device("cpu")


@settings(deadline=None)
@given(st.integers(1, 3000))
def test_measurements_are_dense_where_most_happens_and_few_later(epochs: int) -> None:
    found = measured_epochs(epochs)
    assert found[0] == 0
    assert found[-1] == epochs
    assert found == sorted(set(found))
    assert set(range(min(epochs, 10) + 1)) <= set(found)
    for before, after in pairwise(found):
        assert after - before <= max(1, min(before / 5, epochs / 10))
    assert len(found) <= 11 + 7.5 * max(0.0, torch.tensor(epochs / 10).log().item()) + 5


@settings(deadline=None)
@given(st.integers(1, 500))
def test_on_demand_every_epoch_is_measured(epochs: int) -> None:
    assert measured_epochs(epochs, every=True) == list(range(epochs + 1))


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0.5, 1.0, 2.0]))
def test_without_a_curve_it_is_still_known_whether_a_loss_falls(epochs: int, scale: float) -> None:
    found, all_of_them = measured_epochs(epochs, curve=False), measured_epochs(epochs)
    assert found[0] == 0
    assert found[-1] == epochs
    assert set(found) <= set(all_of_them)
    assert measured_epochs(epochs, every=True, curve=False) == list(range(epochs + 1))

    def falls(measured: list[int]) -> bool:
        losses = np.exp(-scale * np.array(measured) / epochs)
        return still_falling(np.array(measured), losses, 9.0)

    assert falls(found) == falls(all_of_them)


def test_the_schedule_of_a_hundred_epochs() -> None:
    assert measured_epochs(100) == [*range(10), 10, 12, 14, 16, 19, 22, 26, 31, 37, 44, 52, 62, 72, 82, 92, 100]


def row(losses: list[float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(losses) for name in METRICS}


def test_a_replica_that_stopped_or_diverged_has_no_more_rows() -> None:
    history = History(3, [0, 1, 2], CPU)
    history.record(**row([1.0, 2.0, 3.0]))
    history.active = torch.tensor([True, True, False])
    history.record(**row([0.5, float("inf"), 9.0]))
    history.record(**row([0.25, 1.0, 9.0]))
    assert history.rows.tolist() == [3, 2, 1]
    assert history.diverged.tolist() == [False, True, False]
    assert history.active.tolist() == [True, False, False]
    assert history.latest("val_loss").tolist() == [0.25, 1.0, 9.0]
    assert history.values.dtype == torch.double


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_one_that_has_stopped_does_not_diverge_later(loss: float) -> None:
    history = History(2, [0, 1], CPU)
    history.active = torch.tensor([True, False])
    history.record(**row([1.0, loss]))
    assert not history.diverged.any()
