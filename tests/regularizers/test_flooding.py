"""Flooding."""

from __future__ import annotations

import torch

from tests.regularizers.steps import gradient, linear, some, step, taken, work
from tests.training.conftest import Settings, curve, every_kind, run, same


def test_below_the_level_the_gradient_turns_around_for_each_replica_alone() -> None:
    network, (x, y) = linear(3, 6, 3), some(3, 20, 6, 3)
    taken(network, step(x, y))
    plain = gradient(network)
    levels = [{"level": level} for level in (0.0, 100.0, 0.0)]
    taken(network, step(x, y), work("flooding", *levels))
    assert torch.equal(gradient(network), torch.tensor([1.0, -1.0, 1.0])[:, None] * plain)


def test_penalties_count() -> None:
    """The whole loss is below or above the level."""
    network, (x, y) = linear(1, 6, 3), some(1, 20, 6, 3)
    l2 = work("l2", {"strength": 1e3})
    taken(network, step(x, y), l2)
    plain = gradient(network)
    taken(network, step(x, y), l2, work("flooding", {"level": 100.0}))
    assert torch.equal(gradient(network), plain)


def test_the_loss_floats_about_the_level(settings: Settings) -> None:
    chosen = settings(epochs=150)
    free, flooded = run(chosen), run(chosen, flooding={"level": 0.3})
    assert curve(free.history, "train_loss")[-1] < 0.05
    assert abs(curve(flooded.history, "train_loss")[-8:, 0].mean() - 0.3) < 0.1


@every_kind
def test_level_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, flooding={"level": 0.0}), run(chosen))
    assert not same(run(chosen, flooding={"level": 2.0}), run(chosen))
