"""Stochastic weight averaging."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.watching import watched
from tests.training.conftest import Methods, Settings, every_kind, run, same

NORM: Methods = {"batch_norm": {"momentum": 0.1}}


@pytest.mark.parametrize("others", [{}, NORM])
@pytest.mark.parametrize(("start", "averaged"), [(0.75, 3), (0.5, 6), (0.0, 12), (0.9, 1)])
def test_what_is_saved_is_the_mean_of_the_last_states(
    settings: Settings, start: float, averaged: int, others: Methods
) -> None:
    chosen = settings(epochs=4, batch_size=8)
    trained, states = watched(chosen, swa={"start": start}, **others)
    assert len(states) == 13
    for name, value in trained.network.state_dict().items():
        mean = torch.stack([state[name].double() for state in states[-averaged:]]).mean(0)
        assert torch.allclose(value.double(), mean, atol=1e-5), name
    for ours, plain in zip(states, watched(chosen, **others)[1], strict=True):
        assert all(torch.equal(value, plain[name]) for name, value in ours.items())


@pytest.mark.parametrize("others", [{}, NORM])
@every_kind
def test_the_last_state_alone_is_none(settings: Settings, network: str, others: Methods) -> None:
    chosen = settings(network=network, epochs=3, batch_size=8)
    assert same(run(chosen, swa={"start": 0.9}, **others), run(chosen, **others))
    assert not same(run(chosen, swa={"start": 0.5}, **others), run(chosen, **others))


def test_until_then_the_weights_are_measured_as_they_are(settings: Settings) -> None:
    averaged, plain = (run(settings(epochs=8), **methods) for methods in ({"swa": {"start": 0.5}}, {}))
    assert torch.equal(averaged.history.values[:6], plain.history.values[:6])
    assert not torch.equal(averaged.history.values[6:], plain.history.values[6:])
