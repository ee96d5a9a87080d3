"""Exponential moving average of weights."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.watching import watched
from tests.training.conftest import Methods, Settings, every_kind, run, same

NORM: Methods = {"batch_norm": {"momentum": 0.1}}


@pytest.mark.parametrize("others", [{}, NORM, {"lookahead": {"k": 3, "alpha": 0.5}}])
@every_kind
def test_what_is_saved_is_the_weighted_mean_of_all_states(settings: Settings, network: str, others: Methods) -> None:
    chosen, decay = settings(network=network, epochs=4, batch_size=8), 0.8
    trained, states = watched(chosen, ema={"decay": decay}, **others)
    weights = torch.tensor([decay**n for n in reversed(range(len(states) - 1))], dtype=torch.double)
    weights /= weights.sum()
    for name, value in trained.network.state_dict().items():
        mean = sum(w * state[name].double() for w, state in zip(weights, states[1:], strict=True))
        assert torch.allclose(value.double(), mean, atol=1e-5), name
    # Training itself is not changed.
    for ours, plain in zip(states, watched(chosen, **others)[1], strict=True):
        assert all(torch.equal(value, plain[name]) for name, value in ours.items())


@pytest.mark.parametrize("others", [{}, NORM])
@every_kind
def test_decay_zero_changes_nothing(settings: Settings, network: str, others: Methods) -> None:
    chosen = settings(network=network, epochs=3, batch_size=8)
    assert same(run(chosen, ema={"decay": 0.0}, **others), run(chosen, **others))
    assert not same(run(chosen, ema={"decay": 0.9}, **others), run(chosen, **others))
